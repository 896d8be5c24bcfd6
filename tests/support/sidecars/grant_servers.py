"""A broker whose answers a test scripts, for real sidecars."""

import json
from typing import Any

from sidecar.contract.grant import Grant
from sidecar.contract.words import GRANTS_PATH
from support.certificates.authority import server_context
from support.servers.registry import Call, Registry


class Broker(Registry):
    """A scripted broker: it gives each answer once, and repeats the last answer."""

    def __init__(self, *answers: Grant | tuple[int, dict[str, str]]) -> None:
        super().__init__(server_context())
        self.answers = list(answers)
        self.on(GRANTS_PATH, self._grant)

    def asked(self) -> list[dict[str, Any]]:
        """The request documents that it got."""
        return [json.loads(bytes(one.body)) for one in self.requests]

    def _grant(self, call: Call) -> None:
        call.read_body()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Grant):
            call.reply(200, json.dumps(answer.document()).encode(), {"Content-Type": "application/json"})
        else:
            status, problem = answer
            kind = {"Content-Type": "application/problem+json"}
            call.reply(status, json.dumps(problem).encode(), kind)
