"""`explain`: an injected container without its `restartPolicy`, and webhooks that could drop it. Pure."""

from collections.abc import Iterator

from webhook import names
from webhook.explain.facts import Facts, Unread
from webhook.explain.statements import Section, Statement
from webhook.pod.last_word import last_words

_API_SERVERS_WORDS = "may not be set for init containers without restartPolicy=Always"
"""It says them of hooks and probes, such as our start gate, before it asks guard 4."""
_OUR_PLACE = "spec.initContainers[0]."
"""Where admission puts our container. After admission, an injector may put its own container before it."""
_GUARDS_WORDS = f"another webhook dropped restartPolicy from the injected container {names.SIDECAR}"

_NAMED = 6
"""Arbitrary; a cluster has one or two of them"""

_OURS = "the injected container"


def explain_refusal(facts: Facts, message: str) -> Iterator[Statement]:
    """Statements about a Pod that was refused for this: no field of an Event tells the reason."""
    consequence = "the API server refuses the Pod"
    if _GUARDS_WORDS in message or (_API_SERVERS_WORDS in message and _OUR_PLACE in message):
        yield from explain_dropped(facts, "created", consequence)
    elif _API_SERVERS_WORDS in message:
        text = _accusation("a native sidecar of the Pod", consequence)
        yield Statement("created", "wrong", text, "update that webhook, or exclude the Pod from it")
        yield _suspects(facts, "created", f"if the sidecar is {_OURS}, ")


def explain_dropped(facts: Facts, section: Section, consequence: str) -> Iterator[Statement]:
    """Our container has lost the field, so an injector had the last word on it."""
    fix = "update that webhook, set its reinvocationPolicy to Never, or exclude the Pod from it"
    yield Statement(section, "wrong", _accusation(_OURS, consequence), fix)
    yield _suspects(facts, section, "")


def _accusation(container: str, consequence: str) -> str:
    return (
        f"another webhook drops restartPolicy from {container}, so {consequence}: its client is older than "
        "Kubernetes 1.28"
    )


def _suspects(facts: Facts, section: Section, condition: str) -> Statement:
    if isinstance(facts.registrations, Unread):
        return Statement(section, "note", f"which webhook it may be: {facts.registrations.sentence}")
    suspects = last_words(facts.registrations)
    if not suspects:
        text = "that webhook is not registered any more: none has the last word on new Pods now"
    elif len(suspects) == 1:
        text = f"that webhook is {suspects[0]}: only this one has the last word on new Pods"
    else:
        more = f", and {len(suspects) - _NAMED} more" if len(suspects) > _NAMED else ""
        text = f"that webhook is one with the last word on new Pods: {', '.join(suspects[:_NAMED])}{more}"
    return Statement(section, "note", condition + text)
