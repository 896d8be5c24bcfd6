"""What a Pod is told about its grants, as Events: each refusal, and a grant when it is a new one. Pure.

Told are Pods that the API server has named. What a bad token says of itself could be any Pod's name.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from webhook import names

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
"""Cause for which a sidecar asks for a newer grant → the Event's sentence"""

MOST = 20_000
"""Pods and connectors that are remembered, at about 200 octets each. Who is forgotten hears it once more."""


class Subject(Protocol):
    """What is known of an exchange (`granting.Trail`)."""

    connector: str | None
    namespace: str | None
    pod: str | None
    uid: str | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """One Event, in the words of `events.Recorder`."""

    regarding: Mapping[str, str]
    related: Mapping[str, str]
    reason: str
    message: str
    is_warning: bool
    once: bool
    """Another replica may have said it, or this one before its restart"""


class Outcomes:
    """Remembers how the last request of each Pod for each connector ended: a grant is renewed every five
    minutes, and only the first one, and one after a refusal, is news."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], str] = OrderedDict()

    def granted(self, subject: Subject, grant: Grant) -> Told | None:
        """None where the Pod knows it already."""
        rights = INSTALL_AND_UPLOAD if grant.upload_url else INSTALL
        before = self._remember(subject, rights)
        if before == rights:
            return None
        return _told(subject, GRANTED, rights, is_warning=False, once=before is None)

    def troubled(self, subject: Subject) -> Told | None:
        """None if the sidecar reported no trouble with the registry."""
        if subject.cause is None:
            return None
        sentence = TROUBLES[subject.cause]
        return _told(subject, trouble_reason(subject.cause), sentence, is_warning=True, once=False)

    def refused(self, subject: Subject, reason: str, sentence: str) -> Told | None:
        """None where nobody knows which Pod it was."""
        if subject.uid is None:
            return None
        self._remember(subject, reason)
        return _told(subject, reason, sentence, is_warning=True, once=False)

    def _remember(self, subject: Subject, outcome: str) -> str | None:
        key = (str(subject.uid), str(subject.connector))
        before = self._last.pop(key, None)
        self._last[key] = outcome
        if len(self._last) > MOST:
            self._last.popitem(last=False)
        return before


def message_of(connector: str, text: str) -> str:
    """An Event's message names the Connector: few tools show an Event's `related`."""
    return _BEGIN.format(connector) + text


def text_of(connector: str, message: str) -> str:
    """The text of such a message; a message that begins otherwise is all text."""
    return message.removeprefix(_BEGIN.format(connector))


def trouble_reason(cause: str) -> str:
    """The cause as a reason of Kubernetes: `credential-refused` becomes CredentialRefused."""
    return cause.title().replace("-", "")


def _told(subject: Subject, reason: str, text: str, *, is_warning: bool, once: bool) -> Told | None:
    if subject.namespace is None or subject.pod is None or subject.uid is None or subject.connector is None:
        return None
    pod = {"apiVersion": "v1", "kind": "Pod"}
    place, _, name = subject.connector.partition("/")
    connector = {"apiVersion": names.API_VERSION, "kind": "Connector", "namespace": place, "name": name}
    return Told(
        regarding={**pod, "namespace": subject.namespace, "name": subject.pod, "uid": subject.uid},
        related=connector,
        reason=reason,
        message=message_of(subject.connector, text),
        is_warning=is_warning,
        once=once,
    )
