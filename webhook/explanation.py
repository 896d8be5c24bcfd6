"""Why a Pod is, or is not, served by its connectors: facts in, statements with the fix out. Pure.

In the order in which a person reads: was it created, what does it ask for, what was injected, what did the
broker grant, what does the Connector say, how did requests end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.explain_connectors import explain_connector, explain_requests
from webhook.explain_creation import explain_absence, explain_missing_sidecar
from webhook.explain_grants import explain_grant
from webhook.explain_request import read_request
from webhook.explain_sidecar import explain_sidecar, is_finished, sidecar_of
from webhook.facts import Facts, Unread, metadata
from webhook.statements import Level, Statement


@dataclass(frozen=True, slots=True)
class Explanation:
    subject: str
    verdict: str
    level: Level
    statements: tuple[Statement, ...]

    @property
    def is_served(self) -> bool:
        return self.level in ("ok", "note")


def explain(facts: Facts) -> Explanation:
    statements = tuple(_statements(facts))
    levels = [one.level for one in statements]
    level: Level = "wrong" if "wrong" in levels else "waiting" if "waiting" in levels else "ok"
    return Explanation(_subject(facts), _verdict(facts, level), level, statements)


def _statements(facts: Facts) -> Iterator[Statement]:
    pod = facts.pod
    request, said = read_request(facts)
    if pod is None:
        yield from explain_absence(facts)
        yield from said
        for key in request.keys if request else ():
            yield from explain_connector(facts, key)
        return
    yield from said
    container = sidecar_of(pod)
    if request is None:
        return
    if container is None:
        yield from explain_missing_sidecar(facts, pod)
    else:
        yield from explain_sidecar(facts, pod, container)
        for key in request.keys:
            yield from explain_grant(facts, pod, request, key)
    for key in request.keys:
        yield from explain_connector(facts, key)
    for key in request.keys if container else ():
        yield from explain_requests(facts, key)
    if container and isinstance(facts.log, Unread):
        yield Statement("requests", "note", facts.log.sentence)


def _subject(facts: Facts) -> str:
    pod = f"Pod {facts.namespace}/{metadata(facts.pod or {}).get('name', facts.name)}"
    if facts.workload is None:
        return pod
    workload = f"{facts.workload.get('kind')} {facts.namespace}/{facts.name}"
    return f"{pod} of {workload}" if facts.pod else workload


def _verdict(facts: Facts, level: Level) -> str:
    if level == "wrong":
        return "was not served" if facts.pod and is_finished(facts.pod) else "is not served"
    if level == "waiting":
        return "is not served yet"
    return "has ended, and was served" if facts.pod and is_finished(facts.pod) else "is served"
