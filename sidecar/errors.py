"""The error tree of this package.

SidecarError
├── Refusal            an answer of our own to the client: status, stable code, sentence
│   ├── NotListed          a file that may be served once a page of the index lists it
│   ├── CredentialRefused  the registry said 401 to the credential and there is no newer one
│   └── CredentialRenewed  there is a newer one, and the upload must be sent once more
├── ClientGone         the client closed or broke its connection; there is no one to answer
├── UpstreamError      the registry's side failed
│   ├── UpstreamUnreachable  no connection: address, time-out, TLS
│   │   └── RegistryUnreachable  no connection to the Connector's own address; nothing was sent
│   └── UpstreamBroken       a response that breaks off or that has no single reading
│       └── UploadUnconfirmed  no answer to an upload that was sent whole: the registry may have taken it
├── BrokerError        no grant
│   ├── BrokerRefused      the broker said no, with a reason
│   │   ├── TokenRefused       it said no to the token that a client presented to the gateway
│   │   └── TurnedAway         it did not look at that token: too many others came to nothing
│   └── BrokerUnreachable  no answer; it may come back
│       └── BrokerUntrusted  a certificate that cannot be verified: nothing was asked
└── PortTaken          another process of the Pod listens on a port of ours; the sidecar ends

The lower rooms raise errors of their own. The rooms above turn them into errors of the tree:

ContractError      an environment or a grant document that cannot be read
MalformedHead      a head that breaks RFC 9112
MalformedForm      a form that uploads no file, or that registries could read in different ways
WireTimeout        nothing moved on a connection within the limit of its phase
WireClosed         the other end closed the connection
WaitEnded          the watched side ended a wait: a client left, or a response came early

A fault of ours, which the edges log:

IllegalEvent       an event that the state of an exchange does not allow

`rules/answers.py` turns each error of the tree into an answer. Nothing else turns errors into statuses.
"""

import math
from collections.abc import Sequence

from sidecar.contract.words import Code


class SidecarError(Exception):
    """Base of all errors of this package; the text is a sentence that may be shown to anybody."""


class Refusal(SidecarError):
    """An answer of our own. Never 401: pip would ask for a password."""

    def __init__(self, status: int, code: str, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after
        """Seconds"""


class NotListed(Refusal):
    """No page that this process has read lists the file. The page of one of `projects` may."""

    def __init__(self, refusal: Refusal, projects: Sequence[str], targets: Sequence[str]) -> None:
        super().__init__(refusal.status, refusal.code, refusal.sentence)
        self.projects = projects
        """Normalised names that the file's name may begin with"""
        self.targets = targets
        """The links that would open the file: its own, and that of the archive it belongs to"""


class CredentialRefused(Refusal):
    """The registry answered 401, or 403 for several packages. The code says how far `trust` believes that."""

    def __init__(self, connector: str, code: str = Code.CREDENTIAL_REFUSED, seconds: float = 0.0) -> None:
        """`seconds`: the time until a request may try the credential again."""
        super().__init__(403, code, _SENTENCES[code].format(connector=connector) + _when(seconds))


_SENTENCES = {
    Code.CREDENTIAL_REFUSED: "the registry refused the credential of connector {connector} (status 401 or "
    "403); correct the Secret that it names",
    Code.CREDENTIAL_RESTS: "the registry refuses the credential of connector {connector} (status 401), which "
    "it accepted before; if the password was changed there, correct the Secret",
    Code.REQUEST_REFUSED: "the registry refused this request (status 401), and accepted the credential of "
    "connector {connector} for others; the account may lack the right to this, or it was a moment's failure",
}


def _when(seconds: float) -> str:
    return f". It is tried again in {math.ceil(seconds)} s" if seconds else ""


class CredentialRenewed(Refusal):
    """The upload's body is spent. If the client sends it again, it goes with the newer credential."""

    def __init__(self) -> None:
        sentence = "the registry's credential was renewed: send the upload again"
        super().__init__(503, Code.CREDENTIAL_RENEWED, sentence, retry_after=1)


class ClientGone(SidecarError):
    """The client's connection ended before its exchange did."""


class UpstreamError(SidecarError):
    """The registry's side failed."""


class UpstreamUnreachable(UpstreamError):
    """No usable connection to the registry; `hint` says what an administrator can do."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class RegistryUnreachable(UpstreamUnreachable):
    """No connection to the Connector's address, which may be corrected by now. Nothing was sent."""


class UpstreamBroken(UpstreamError):
    """A response that ends early or is no HTTP. `started`: bytes of it had arrived."""

    def __init__(self, sentence: str, *, started: bool = True) -> None:
        super().__init__(sentence)
        self.started = started


class UploadUnconfirmed(UpstreamBroken):
    """The registry got a whole upload and gave no readable answer, or told a success before."""


class BrokerError(SidecarError):
    """There is no grant."""


class BrokerRefused(BrokerError):
    """The broker said no."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        """Stable CamelCase reference of the problem document"""


class TokenRefused(BrokerRefused):
    """The token of the gateway's client is not valid: with another one the answer could be yes."""


class TurnedAway(BrokerRefused):
    """The broker did not look at a new token. To ask again at once would be of no use."""


class BrokerUnreachable(BrokerError):
    """The broker did not answer, or could not decide now."""


class BrokerUntrusted(BrokerUnreachable):
    """The server at the broker's address could not prove that it is the broker, so it got no token."""
