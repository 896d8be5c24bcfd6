"""A Connector's conditions: what is known of class, Secret, CA and registry, as Kubernetes tells it. Pure.

Types and reasons are the reference system's, so that its users' scripts keep working. All types are told from
the first look on, in one order; what is not known yet is Unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from webhook.errors import Problem

Status = Literal["True", "False", "Unknown"]
Outcome = Literal["ok", "unreachable", "refused", "unexpected"]

CLASS = "ConnectorClassReady"
SECRET = "SecretReady"  # noqa: S105 (a condition)
CA_CERT = "CACertReady"
LIVENESS = "LivenessReady"
AUTH = "AuthReady"
PROXY = "ProxyServiceReady"
READY = "Ready"
TYPES = (CLASS, SECRET, CA_CERT, LIVENESS, AUTH, PROXY, READY)

NOT_PROBED = "NotProbed"
CONNECTION_FAILED = "ConnectionFailed"
AUTHENTICATION_FAILED = "AuthenticationFailed"

_CLASS_REASONS = ("ConnectorClassNotFound",)
_SECRET_REASONS = ("Secret", "ForeignSecret", "InvalidAuth")
_CA_REASONS = ("CASecret", "InvalidPEM")


@dataclass(frozen=True, slots=True)
class Condition:
    """`metav1.Condition` without its times."""

    type: str
    status: Status
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look at the registry showed."""

    outcome: Outcome
    detail: str
    """For the status: without any secret, and no more than the Connector's author needs to correct it"""
    cause: str = field(default="", compare=False)
    """The system's own words, for the product's log and for `check`; empty if `detail` says everything"""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of one Connector."""

    problems: Sequence[Problem]
    """Of its manifests, empty if they can be used"""
    has_secret: bool | None
    """Whether one is named; None, as the next: it was not looked at"""
    has_ca: bool | None
    probe: Probe | None
    """None: not asked"""
    proxy_url: str
    """Where clients reach it"""


def conditions(observed: Observed) -> list[Condition]:
    """All types, in the order of `TYPES`; `Ready` sums them up."""
    secret: tuple[Status, str, str] = ("True", "Valid", "user name and password are there")
    if observed.has_secret is False:
        secret = ("True", "SecretOptional", "no Secret is named: the registry is anonymous")
    ca: tuple[Status, str, str] = ("True", "Valid", "the bundle holds PEM certificates")
    if observed.has_ca is False:
        ca = ("True", "NoCACert", "no CA is named: the system's are trusted")
    unseen: tuple[Status, str, str] = (
        "Unknown",
        "NotChecked",
        "the Connector itself cannot be used as it is",
    )
    found = [
        _manifest_ready(CLASS, observed, _CLASS_REASONS, ("True", "Valid", "the class pypi is known")),
        _manifest_ready(SECRET, observed, _SECRET_REASONS, unseen if observed.has_secret is None else secret),
        _manifest_ready(CA_CERT, observed, _CA_REASONS, unseen if observed.has_ca is None else ca),
        _liveness_ready(observed),
        _auth_ready(observed),
        _proxy_ready(observed),
    ]
    return [*found, _ready(found, observed)]


def _manifest_ready(
    kind: str, observed: Observed, prefixes: tuple[str, ...], otherwise: tuple[Status, str, str]
) -> Condition:
    """False with the first problem whose reason begins so."""
    problem = next((one for one in observed.problems if one.reason.startswith(prefixes)), None)
    if problem:
        return Condition(kind, "False", problem.reason, problem.message)
    return Condition(kind, *otherwise)


def _liveness_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None:
        return Condition(LIVENESS, "Unknown", NOT_PROBED, _not_probed(observed))
    if probe.outcome in ("unreachable", "unexpected"):
        return Condition(LIVENESS, "False", CONNECTION_FAILED, probe.detail)
    return Condition(LIVENESS, "True", "Valid", probe.detail)


def _auth_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None:
        return Condition(AUTH, "Unknown", NOT_PROBED, _not_probed(observed))
    if probe.outcome in ("unreachable", "unexpected"):
        sentence = "the registry did not answer a request for its index"
        return Condition(AUTH, "Unknown", NOT_PROBED, sentence)
    if probe.outcome == "refused":
        return Condition(AUTH, "False", AUTHENTICATION_FAILED, probe.detail)
    return Condition(AUTH, "True", "Valid", probe.detail)


def _not_probed(observed: Observed) -> str:
    if observed.problems:
        return "the registry was not asked: the Connector, or a Secret that it names, cannot be used as it is"
    return "the registry was not asked yet"


def _proxy_ready(observed: Observed) -> Condition:
    if observed.problems:
        return Condition(PROXY, "False", "ConnectorInvalid", "the Connector cannot be used")
    return Condition(PROXY, "True", "Valid", observed.proxy_url)


def _ready(found: Sequence[Condition], observed: Observed) -> Condition:
    for one in found:
        if one.status == "False" and one.type != PROXY:
            return Condition(READY, "False", one.reason, one.message)
    if observed.problems:
        problem = observed.problems[0]
        return Condition(READY, "False", problem.reason, problem.message)
    unknown = [one for one in found if one.status == "Unknown"]
    if unknown:
        return Condition(READY, "Unknown", unknown[0].reason, unknown[0].message)
    return Condition(READY, "True", "Valid", "the Connector can be used")
