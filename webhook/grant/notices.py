"""Events on a Pod about its grants: each refusal, and a grant if it is new. Pure.

Only Pods that the API server verified get Events: a bad token could claim any Pod's name.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from webhook import names
from webhook.grant.trail import Trail
from webhook.identifiers import ConnectorKey

_BEGIN = "Connector {}: "

GRANTED = "Granted"
INSTALL, INSTALL_AND_UPLOAD = "install", "install and upload"

TROUBLES: Mapping[str, str] = {
    Code.CREDENTIAL_REFUSED: "the registry refuses the credential (status 401 or 403), and this Pod was "
    "never served with it; correct the Secret that the Connector names",
    Code.CREDENTIAL_RESTS: "the registry refuses the credential (status 401), which it accepted before; it "
    "is tried again by itself. If the password was changed, correct the Secret that the Connector names",
    Code.REQUEST_REFUSED: "the registry refuses a request (status 401), and accepted the credential for "
    "others; the account may lack the right to that package",
    Code.REGISTRY_FORBIDS: "the registry forbids a request (status 403): user name or password are wrong, or "
    "the account may not do this",
    Code.REGISTRY_UNREACHABLE: "the registry cannot be reached from this Pod; check spec.address of the "
    "Connector, and NetworkPolicies",
}
"""Cause for which a sidecar asks for a newer grant → the sentence of the Event"""

OUTCOMES_LIMIT = 20_000
"""Pairs of Pod and connector remembered, about 200 bytes each. An evicted Pod gets its Event again."""


@dataclass(frozen=True, slots=True)
class PodEvent:
    """An Event, in the terms of `events.Recorder`."""

    regarding: Mapping[str, str]
    related: Mapping[str, str]
    reason: str
    message: str
    is_warning: bool
    once: bool
    """Another replica may have written it, or this one before its restart"""


class Outcomes:
    """Remembers how the last request of each Pod for each connector ended. A grant is renewed every five
    minutes; only the first grant, and a grant after a refusal, are news."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], str] = OrderedDict()

    def granted(self, trail: Trail, grant: Grant) -> PodEvent | None:
        """None if the Pod has this Event already."""
        rights = INSTALL_AND_UPLOAD if grant.upload_url else INSTALL
        before = self._remember(trail, rights)
        if before == rights:
            return None
        return _event(trail, GRANTED, rights, is_warning=False, once=before is None)

    def troubled(self, trail: Trail) -> PodEvent | None:
        """None if the sidecar reported no trouble with the registry."""
        if trail.cause is None:
            return None
        sentence = TROUBLES[trail.cause]
        return _event(trail, trouble_reason(trail.cause), sentence, is_warning=True, once=False)

    def refused(self, trail: Trail, reason: str, sentence: str) -> PodEvent | None:
        """None if it is not known which Pod it was."""
        if trail.uid is None:
            return None
        self._remember(trail, reason)
        return _event(trail, reason, sentence, is_warning=True, once=False)

    def _remember(self, trail: Trail, outcome: str) -> str | None:
        key = (str(trail.uid), str(trail.connector))
        before = self._last.pop(key, None)
        self._last[key] = outcome
        if len(self._last) > OUTCOMES_LIMIT:
            self._last.popitem(last=False)
        return before


def message_of(connector: ConnectorKey, text: str) -> str:
    """An Event's message names the Connector: few tools show an Event's `related`."""
    return _BEGIN.format(connector) + text


def text_of(connector: ConnectorKey, message: str) -> str:
    """The text of such a message; a message that begins otherwise is all text."""
    return message.removeprefix(_BEGIN.format(connector))


def trouble_reason(cause: str) -> str:
    """The cause as a reason of Kubernetes: `credential-refused` becomes CredentialRefused."""
    return cause.title().replace("-", "")


def _event(trail: Trail, reason: str, text: str, *, is_warning: bool, once: bool) -> PodEvent | None:
    if trail.namespace is None or trail.pod is None or trail.uid is None or trail.connector is None:
        return None
    pod = {"apiVersion": "v1", "kind": "Pod"}
    namespace, name = trail.connector
    connector = {"apiVersion": names.API_VERSION, "kind": "Connector", "namespace": namespace, "name": name}
    return PodEvent(
        regarding={**pod, "namespace": trail.namespace, "name": trail.pod, "uid": trail.uid},
        related=connector,
        reason=reason,
        message=message_of(trail.connector, text),
        is_warning=is_warning,
        once=once,
    )
