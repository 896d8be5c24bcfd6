"""The error tree of this package.

ConnectorsError
├── InputError           manifests, annotations or arguments that cannot be used; exit 2 on the command line
│   ├── InvalidConnector a Connector that breaks its contract
│   └── InvalidSecret    a Secret that a Connector names and that cannot be used
├── InvalidValue         a value that breaks its rule; `webhook.problems` makes it a Problem of its place
├── Refusal              a grant that is refused; leaves the broker as a problem document (RFC 9457)
├── ClusterUnavailable   the cluster did not answer; no refusal: an existing grant serves on meanwhile
└── ClusterRefused       the API server answered with an error
    ├── Forbidden        401, 403: the product lacks a right
    ├── NotFound         404: the object to change does not exist
    ├── Conflict         409: the object exists already, or was changed by another client since it was read
    └── Gone             410, or an event that cannot be read: a watch cannot go on from that resourceVersion

A `Problem` is a single fault. An `InputError` carries all problems of an input, so that its author corrects
them in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ConnectorsError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A single fault of an input. No part of it holds a secret."""

    reason: str
    """Stable CamelCase reference"""
    what: str
    """The fault, and the object that has it"""
    fix: str = ""
    """The consequence or the remedy; empty where `what` says enough"""

    @property
    def message(self) -> str:
        """The whole sentence."""
        return f"{self.what}: {self.fix}" if self.fix else self.what


class InputError(ConnectorsError):
    """Input that cannot be used, with all of its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)

    @classmethod
    def of(cls, reason: str, what: str, fix: str = "") -> "InputError":
        return cls([Problem(reason, what, fix)])


class InvalidConnector(InputError):
    """A Connector that breaks its contract; `problems[0].reason` suits a condition."""


class InvalidSecret(InputError):
    """A Secret that a Connector names and that cannot be used. The sentences never quote a value."""


class InvalidValue(ConnectorsError):
    """A value that breaks its rule. `what` continues a sentence that begins with the value's place."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix


class Refusal(ConnectorsError):
    """A grant refused for a named reason. `reason` is stable, `message` is a sentence with the fix."""

    def __init__(self, reason: str, message: str, *, status: int = 403) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status


class ClusterUnavailable(ConnectorsError):
    """The cluster did not answer. The text names the question and holds nothing of an answer."""


class ClusterRefused(ConnectorsError):
    """The API server's own sentence (`metav1.Status.message`), and the question."""


class Forbidden(ClusterRefused):
    """The product lacks a right."""


class NotFound(ClusterRefused):
    """The object to change does not exist."""


class Conflict(ClusterRefused):
    """The object exists already, or was changed by another client since it was read."""


class Gone(ClusterRefused):
    """A watch cannot go on from that resourceVersion: list anew."""
