"""`explain`: an injected container without its `restartPolicy`, and who may have dropped it. Pure."""

from collections.abc import Iterator

from webhook import names
from webhook.explain.facts import Facts, Unread
from webhook.explain.statements import Section, Statement
from webhook.pod.last_word import last_words

_API_SERVERS_WORDS = "may not be set for init containers without restartPolicy=Always"
"""It says them of our start gate, a hook of the injected container, before it asks guard 4."""
_GUARDS_WORDS = f"another webhook dropped restartPolicy from the injected container {names.SIDECAR}"

_NAMED = 6
"""Arbitrary; a cluster has one or two of them"""


def is_dropped(message: str) -> bool:
    """Whether a Pod was refused for this: no field of an Event tells it."""
    return _API_SERVERS_WORDS in message or _GUARDS_WORDS in message


def explain_dropped(facts: Facts, section: Section, consequence: str) -> Iterator[Statement]:
    text = (
        f"another webhook drops restartPolicy from the injected container, so {consequence}: its client is "
        "older than Kubernetes 1.29, and it has the last word on the Pod"
    )
    remedy = "update that webhook, or set its reinvocationPolicy to Never"
    if isinstance(facts.registrations, Unread):
        yield Statement(section, "wrong", text, remedy)
        unread = facts.registrations.sentence
        yield Statement(section, "note", f"which webhooks have the last word: {unread}")
        return
    found = last_words(facts.registrations)
    if not found:
        fix = "create the Pod again: no webhook that is registered now has the last word"
        yield Statement(section, "wrong", text, fix)
        return
    others = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    which = "it is" if len(found) == 1 else "it is one of"
    yield Statement(section, "wrong", text, f"{remedy}; {which} {', '.join(found[:_NAMED])}{others}")
