"""The error tree of this package.

ConnectorsError
├── InputError           manifests, annotations or arguments that cannot be used; exit 2 on the command line
│   ├── InvalidConnector a Connector that breaks its contract
│   └── InvalidSecret    a Secret that a Connector names and that cannot be used
├── Refusal              a grant that is refused; leaves the broker as a problem document (RFC 9457)
├── ClusterUnavailable   the cluster did not answer; not a refusal: a grant in hand serves on meanwhile
└── ClusterRefused       the API server answered, and not with what was asked for
    ├── Forbidden        401, 403: a right of ours is missing
    ├── NotFound         404, where something was to be changed
    ├── Conflict         409: it exists already, or was changed by another since it was read
    └── Gone             410, or an event that cannot be read: a watch can not go on from that resourceVersion

A `Problem` is one wrong thing; an `InputError` carries all of them, so that nobody mends them one by one.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass


class ConnectorsError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong thing."""

    reason: str
    """Stable CamelCase reference"""
    message: str
    """A sentence: what is wrong, on which thing, what to do. Never holds a secret."""


class InputError(ConnectorsError):
    """Input that cannot be used, with every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)

    @classmethod
    def of(cls, reason: str, message: str) -> "InputError":
        return cls([Problem(reason, message)])


class InvalidConnector(InputError):
    """A Connector that breaks its contract; `problems[0].reason` suits a condition."""


class InvalidSecret(InputError):
    """A Secret that a Connector names and that cannot be used; the sentences never quote a value."""


class Refusal(ConnectorsError):
    """A grant refused for a named reason. `reason` is stable, `message` is a sentence with the fix."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ClusterUnavailable(ConnectorsError):
    """The cluster did not answer. The text says which question, never what it was about to answer."""


class ClusterRefused(ConnectorsError):
    """The API server's own sentence (`metav1.Status.message`) with what was asked for."""


class Forbidden(ClusterRefused):
    """A right of ours is missing."""


class NotFound(ClusterRefused):
    """What was to be changed does not exist."""


class Conflict(ClusterRefused):
    """It exists already, or was changed by another since it was read."""


class Gone(ClusterRefused):
    """A watch cannot go on from that resourceVersion: list anew."""


def describe_failure(error: BaseException) -> dict[str, str]:
    """Type and place of an unforeseen error, as fields of a log line. Never its text, which could quote a Pod
    or a Secret. The place has up to four frames, the innermost first: that is often a library's."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    place = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    return {"error": type(error).__name__, "place": place}
