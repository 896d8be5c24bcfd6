"""A Connector's conditions: what is known of class, Secret, CA and registry, as Kubernetes tells it. Pure.

Types and reasons are the reference system's, so that its users' scripts keep working.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from webhook.errors import Problem

Status = Literal["True", "False", "Unknown"]
Outcome = Literal["ok", "unreachable", "refused", "unexpected"]

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
    """What one look at the registry showed. `detail` is the true cause, without any secret."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of one Connector."""

    problems: Sequence[Problem]
    """Of its manifests, empty if they can be used"""
    has_secret: bool
    has_ca: bool
    probe: Probe | None
    """None: not asked"""
    proxy_url: str
    """Where clients reach it"""


def conditions(observed: Observed) -> list[Condition]:
    """All types, in a fixed order; `Ready` sums them up."""
    secret = ("Valid", "user name and password are there")
    if not observed.has_secret:
        secret = ("SecretOptional", "no Secret is named: the registry is anonymous")
    ca = ("Valid", "the bundle holds PEM certificates")
    if not observed.has_ca:
        ca = ("NoCACert", "no CA is named: the system's are trusted")
    found = [
        _manifest_ready(
            "ConnectorClassReady", observed, _CLASS_REASONS, ("Valid", "the class pypi is known")
        ),
        _manifest_ready("SecretReady", observed, _SECRET_REASONS, secret),
        _manifest_ready("CACertReady", observed, _CA_REASONS, ca),
        _liveness_ready(observed),
        _auth_ready(observed),
        _proxy_ready(observed),
    ]
    return [*found, _ready(found, observed)]


def _manifest_ready(
    kind: str, observed: Observed, prefixes: tuple[str, ...], otherwise: tuple[str, str]
) -> Condition:
    """False with the first problem whose reason begins so, else True with reason and message."""
    problem = next((one for one in observed.problems if one.reason.startswith(prefixes)), None)
    if problem:
        return Condition(kind, "False", problem.reason, problem.message)
    return Condition(kind, "True", *otherwise)


def _liveness_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None:
        return Condition("LivenessReady", "Unknown", "NotProbed", "the registry was not asked")
    if probe.outcome in ("unreachable", "unexpected"):
        return Condition("LivenessReady", "False", "ConnectionFailed", probe.detail)
    return Condition("LivenessReady", "True", "Valid", probe.detail)


def _auth_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None or probe.outcome in ("unreachable", "unexpected"):
        return Condition(
            "AuthReady", "Unknown", "NotProbed", "the registry did not answer a request for its index"
        )
    if probe.outcome == "refused":
        return Condition("AuthReady", "False", "AuthenticationFailed", probe.detail)
    return Condition("AuthReady", "True", "Valid", probe.detail)


def _proxy_ready(observed: Observed) -> Condition:
    if observed.problems:
        return Condition("ProxyServiceReady", "False", "ConnectorInvalid", "the Connector cannot be used")
    return Condition("ProxyServiceReady", "True", "Valid", observed.proxy_url)


def _ready(found: Sequence[Condition], observed: Observed) -> Condition:
    for one in found:
        if one.status == "False" and one.type != "ProxyServiceReady":
            return Condition("Ready", "False", one.reason, one.message)
    if observed.problems:
        problem = observed.problems[0]
        return Condition("Ready", "False", problem.reason, problem.message)
    unknown = [one for one in found if one.status == "Unknown"]
    if unknown:
        return Condition("Ready", "Unknown", unknown[0].reason, unknown[0].message)
    return Condition("Ready", "True", "Valid", "the Connector can be used")
