"""The error tree of this package.

ConnectorsError
├── InputError             manifests, annotations or arguments that cannot be used; exit 2 on the command line
│   ├── InvalidClass       a ConnectorClass that breaks its contract
│   ├── InvalidConnector   a Connector that breaks its contract
│   └── InvalidSecret      a Secret that a Connector names and that cannot be used
├── InvalidValue           a value that breaks its rule; `webhook.problems` makes it a Problem of its place
├── Refusal                a refused grant; leaves the broker as a problem document (RFC 9457)
├── ClusterUnavailable     the cluster did not answer; no refusal, so a grant in hand serves on
├── ClusterRefused         the API server answered with a refusal
│   ├── Forbidden          401, 403: the product lacks a right
│   ├── NotFound           404, for an object that was to be changed
│   ├── Conflict           409: it exists already, or it was changed since it was read
│   └── Gone               410, or an event that cannot be read: the watch cannot go on, list anew
├── ProxyFailed            the local proxy of `run` did not start
├── AdmissionDenied        admission refused a Pod of `demo`
└── StoryFailed            a step of `demo` did not go as it should

A few errors are outside the tree, because the room that raises them also handles them:

UnusableBody   a request's body that an edge answers in its own words
Overfull       a review for which admission has no memory left
TooLong        an item of a list that exceeds its limit (also a ValueError)
TokenRejected  a token that the cluster in memory does not accept
GateClosed     a start gate of `demo` that did not open

A `Problem` is a single fault of an input. An `InputError` carries all faults, so that its author can correct
them together. tests/repository/test_error_trees.py holds this drawing against the classes.
"""

import traceback
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
    """The consequence or the remedy; empty if `what` says enough"""

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


class InvalidClass(InputError):
    """A ConnectorClass that breaks its contract: no Connector of it can be used."""


class InvalidConnector(InputError):
    """A Connector that breaks its contract; `problems[0].reason` suits a condition."""


class InvalidSecret(InputError):
    """A Secret that a Connector names and that cannot be used; the sentences never quote a value."""


class InvalidValue(ConnectorsError):
    """A value that breaks its rule. `what` continues a sentence that begins with the value's place."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix


class Refusal(ConnectorsError):
    """A grant refused for a named reason. `reason` is stable, `message` is a sentence with the fix."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ClusterUnavailable(ConnectorsError):
    """The cluster did not answer. The text names the question, and has nothing of an answer."""


class ClusterRefused(ConnectorsError):
    """The API server's own sentence (`metav1.Status.message`), with the question."""


class Forbidden(ClusterRefused):
    """A right of ours is missing."""


class NotFound(ClusterRefused):
    """The object that was to be changed does not exist."""


class Conflict(ClusterRefused):
    """The object exists already, or it was changed since it was read."""


class Gone(ClusterRefused):
    """A watch cannot go on from that resourceVersion: list anew."""


def describe_failure(error: BaseException) -> dict[str, str]:
    """Type and place of an unforeseen error, as fields of a log line. Never its text, which could quote a Pod
    or a Secret. The place has up to four frames, the innermost first: that is often a library's."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    place = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    return {"error": type(error).__name__, "place": place}


def failure_sentence(error: BaseException) -> str:
    """The same as `describe_failure`, for a field of a log line that holds a sentence."""
    failure = describe_failure(error)
    return f"unexpected {failure['error']} at {failure['place']}"
