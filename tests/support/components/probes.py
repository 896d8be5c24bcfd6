"""A probe of a scripted registry, whose name a scripted resolver resolves."""

import asyncio
import time
from collections.abc import Callable, Sequence

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.servers.registry import Call
from webhook.connector.conditions import Probe
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import RegistryAccess
from webhook.status.probe import probe
from webhook.status.resolver import Resolve

HOST = "registry.test"
LOOPBACK = "127.0.0.1"
PAGE = "/simple/pypi-connector-probe/"
INDEX = "/simple/"
PATIENCE_SECONDS = 20.0
CANARY_PAGE = b'<a href="canary-1.0.zip">canary of the answer</a>'
CREDENTIAL = Credential("robot", Secret("canary-password"))


class Names:
    """A scripted resolver: each question takes the next answer; the last answer repeats."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def look(
    address: str,
    *,
    resolve: Resolve | None = None,
    credential: Credential | None = CREDENTIAL,
    ca_bundle: str | None = None,
    files: str | None = None,
    is_loopback_allowed: bool = True,
    timeout_seconds: float = PATIENCE_SECONDS,
    canary_in_cause: bool = False,
) -> Probe:
    """`canary_in_cause`: the canary is in a page's title, which `check` shows, and the status does not."""
    extensions = [{"name": "files", "value": files}] if files else []
    manifest = {
        "metadata": {"namespace": "a", "name": "pypi"},
        "spec": {"connectorClassName": "pypi", "address": address, "addressExtensions": extensions},
    }
    begun = time.monotonic()
    seen = asyncio.run(
        probe(
            RegistryAccess(parse_connector(manifest), credential, ca_bundle),
            resolve=resolve or Names([LOOPBACK]),
            is_loopback_allowed=is_loopback_allowed,
            timeout_seconds=timeout_seconds,
        )
    )
    assert time.monotonic() - begun < timeout_seconds + PATIENCE_SECONDS / 2
    assert "canary" not in (seen.detail if canary_in_cause else repr(seen))
    return seen


def at(registry: RegistryAccess, host: str = HOST) -> str:
    return registry.origin.replace(LOOPBACK, host)


def answer(status: int, kind: str = "text/html", **headers: str) -> Callable[[Call], None]:
    """A page of an index, if the status is 200."""
    page = b'{"meta": {}, "files": []}' if kind.endswith("json") else CANARY_PAGE
    return lambda call: call.reply(status, page, {"Content-Type": kind, **headers})
