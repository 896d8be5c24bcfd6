"""Why a Pod is, or is not, served by its connectors: facts in, statements with their fixes out. Pure.

The order is a reader's: the Pod's creation, its request, the injected sidecar, the broker's grant, the
Connector's conditions, the ends of requests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webhook.explain.connectors import explain_connector, explain_requests
from webhook.explain.creation import explain_absence, explain_missing_sidecar
from webhook.explain.facts import Facts, Unread, metadata
from webhook.explain.grants import explain_grant
from webhook.explain.request import read_request
from webhook.explain.sidecar import explain_sidecar, is_finished, sidecar_of
from webhook.explain.statements import Level, Statement


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
    levels = [statement.level for statement in statements]
    level: Level = "wrong" if "wrong" in levels else "waiting" if "waiting" in levels else "ok"
    return Explanation(_subject(facts), _verdict(facts, level, statements), level, statements)


def _statements(facts: Facts) -> Iterator[Statement]:
    if facts.pod is None:
        yield from _without_pod(facts)
        return
    request, statements = read_request(facts)
    yield from statements
    if request is None:
        return
    container = sidecar_of(facts.pod)
    if container is None:
        yield from explain_missing_sidecar(facts, facts.pod)
    else:
        state = list(explain_sidecar(facts, facts.pod, container))
        yield from state
        is_running = not {"wrong", "waiting"} & {statement.level for statement in state}
        for key in request.keys:
            grant = explain_grant(facts, facts.pod, request, key)
            # a sidecar that does not run has requested nothing: no need to say so
            yield from (statement for statement in grant if is_running or statement.level != "note")
    for key in request.keys:
        yield from explain_connector(facts, key)
    for key in request.keys if container else ():
        yield from explain_requests(facts, key)
    if container and isinstance(facts.log, Unread):
        yield Statement("requests", "note", facts.log.sentence)


def _without_pod(facts: Facts) -> Iterator[Statement]:
    yield from explain_absence(facts)
    if facts.workload is None:
        return
    request, statements = read_request(facts)
    yield from statements
    for key in request.keys if request else ():
        yield from explain_connector(facts, key)


def _subject(facts: Facts) -> str:
    pod = f"Pod {facts.namespace}/{metadata(facts.pod or {}).get('name', facts.name)}"
    if facts.workload is None:
        return pod
    workload = f"{facts.workload.get('kind')} {facts.namespace}/{facts.name}"
    return f"{pod} of {workload}" if facts.pod else workload


def _verdict(facts: Facts, level: Level, statements: Sequence[Statement]) -> str:
    has_ended = facts.pod is not None and is_finished(facts.pod)
    if level == "wrong":
        return "was not served" if has_ended else "is not served"
    if level == "waiting":
        return "is not served yet"
    if any(statement.section == "granted" and statement.level == "ok" for statement in statements):
        return "has ended, and was served" if has_ended else "is served"
    # no proof either way
    evidence = (facts.events, facts.log, *facts.connectors.values())
    is_partial = any(isinstance(fact, Unread) for fact in evidence)
    verdict = "has ended, and nothing was wrong" if has_ended else "is ready to be served"
    return f"{verdict}, as far as you may see" if is_partial else verdict
