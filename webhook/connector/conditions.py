"""A Connector's conditions: the state of class, Secret, CA and registry in the form of Kubernetes. Pure.

Types and reasons are the reference system's, so that its users' scripts keep working. The first look already
reports all types, in one order; a condition that is not known yet is Unknown.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from webhook import names
from webhook.connector.proxy_address import ProxyAddress
from webhook.connector.reasons import ConditionReason, ConnectorReason
from webhook.errors import Problem

Status = Literal["True", "False", "Unknown"]
Outcome = Literal["ok", "unreachable", "refused", "unexpected", "foreign", "unservable"]
"""`unexpected`: a status that is no answer of an index. `foreign`: a page that is no index's. `unservable`:
an answer that may be an index's, and that the sidecar does not serve to Pods"""

CLASS = "ConnectorClassReady"
SECRET = "SecretReady"  # noqa: S105 (a condition)
CA_CERT = "CACertReady"
LIVENESS = "LivenessReady"
AUTH = "AuthReady"
PROXY = "ProxyServiceReady"
READY = "Ready"
TYPES = (CLASS, SECRET, CA_CERT, LIVENESS, AUTH, PROXY, READY)

REASONS: Mapping[str, Set[str]] = {
    CLASS: {ConnectorReason.CONNECTOR_CLASS_NOT_FOUND, ConnectorReason.CONNECTOR_CLASS_INVALID},
    SECRET: {
        ConnectorReason.INVALID_AUTH,
        ConnectorReason.SECRET_REQUIRED,
        ConnectorReason.FOREIGN_SECRET,
        ConnectorReason.SECRET_NOT_FOUND,
        ConnectorReason.SECRET_FORBIDDEN,
        ConnectorReason.SECRET_UNREADABLE,
        ConnectorReason.SECRET_TYPE_MISMATCH,
        ConnectorReason.SECRET_EMPTY,
        ConnectorReason.SECRET_USERNAME_HAS_COLON,
        ConnectorReason.SECRET_HAS_CONTROL_CHARACTER,
        ConnectorReason.SECRET_NOT_BASE64,
        ConnectorReason.SECRET_NOT_UTF8,
    },
    CA_CERT: {
        ConnectorReason.CA_SECRET_NOT_FOUND,
        ConnectorReason.CA_SECRET_FORBIDDEN,
        ConnectorReason.CA_SECRET_UNREADABLE,
        ConnectorReason.CA_SECRET_WITHOUT_KEY,
        ConnectorReason.INVALID_PEM,
    },
}
"""Condition → the problems that make it False. Each other problem shows in `Ready` alone."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`metav1.Condition` without its times."""

    type: str
    status: Status
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of one request for a registry's index."""

    outcome: Outcome
    detail: str
    """For the status. Holds no secret, and no more than the Connector's author needs for a correction"""
    cause: str = field(default="", compare=False)
    """The system's own words, for the product's log and for `check`; empty if `detail` says it all"""
    is_untrusted: bool = field(default=False, compare=False)
    """Whether the connection failed because the server's certificate is not trusted"""


@dataclass(frozen=True, slots=True)
class Observed:
    """The state of one Connector, as far as it is known."""

    problems: Sequence[Problem]
    """Of its manifests, empty if they can be used"""
    has_secret: bool | None
    """Whether the Connector names a Secret; None: unknown, because the Connector could not be read"""
    has_ca: bool | None
    """Whether it names a Secret with a CA; None: unknown, likewise"""
    probe: Probe | None
    """None: the registry was not asked"""
    proxy: ProxyAddress
    """Where clients reach it"""
    secret_warning: Problem | None = None
    """About a Secret that can be used, but looks like a mistake"""
    class_name: str = names.CONNECTOR_CLASS


def conditions(observed: Observed) -> list[Condition]:
    """All types, in the order of `TYPES`; `Ready` sums them up."""
    details = [
        _problem(CLASS, observed)
        or Condition(CLASS, "True", ConditionReason.VALID, f"the class {observed.class_name} is known"),
        _problem(SECRET, observed) or _secret_ready(observed),
        _problem(CA_CERT, observed) or _ca_ready(observed),
        _liveness_ready(observed),
        _auth_ready(observed),
        _proxy_ready(observed),
    ]
    return [*details, _ready(details, observed)]


def _problem(kind: str, observed: Observed) -> Condition | None:
    """False with the first problem that concerns this condition."""
    problem = next((problem for problem in observed.problems if problem.reason in REASONS[kind]), None)
    return Condition(kind, "False", problem.reason, problem.message) if problem else None


def _secret_ready(observed: Observed) -> Condition:
    if observed.has_secret is None:
        return _not_checked(SECRET)
    warning = observed.secret_warning
    if warning is not None:
        return Condition(SECRET, "True", warning.reason, warning.message)
    if observed.has_secret:
        return Condition(SECRET, "True", ConditionReason.VALID, "user name and password are there")
    sentence = "no Secret is named: the registry is anonymous"
    return Condition(SECRET, "True", ConditionReason.SECRET_OPTIONAL, sentence)


def _ca_ready(observed: Observed) -> Condition:
    if observed.has_ca is None:
        return _not_checked(CA_CERT)
    if observed.has_ca:
        return Condition(CA_CERT, "True", ConditionReason.VALID, "the bundle holds PEM certificates")
    sentence = "no CA is named: the system's are trusted"
    return Condition(CA_CERT, "True", ConditionReason.NO_CA_CERT, sentence)


def _not_checked(kind: str) -> Condition:
    sentence = "the Connector itself cannot be used as it is"
    return Condition(kind, "Unknown", ConditionReason.NOT_CHECKED, sentence)


def _liveness_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None:
        return Condition(LIVENESS, "Unknown", ConditionReason.NOT_PROBED, _not_probed(observed))
    if probe.outcome == "foreign":
        return Condition(LIVENESS, "False", ConditionReason.NOT_AN_INDEX, probe.detail)
    if probe.outcome in ("unreachable", "unexpected", "unservable"):
        return Condition(LIVENESS, "False", ConditionReason.CONNECTION_FAILED, probe.detail)
    return Condition(LIVENESS, "True", ConditionReason.VALID, probe.detail)


def _auth_ready(observed: Observed) -> Condition:
    probe = observed.probe
    if probe is None:
        return Condition(AUTH, "Unknown", ConditionReason.NOT_PROBED, _not_probed(observed))
    if probe.outcome in ("unreachable", "unexpected", "foreign", "unservable"):
        sentence = "the registry did not answer a request for its index"
        return Condition(AUTH, "Unknown", ConditionReason.NOT_PROBED, sentence)
    if probe.outcome == "refused":
        return Condition(AUTH, "False", ConditionReason.AUTHENTICATION_FAILED, probe.detail)
    return Condition(AUTH, "True", ConditionReason.VALID, probe.detail)


def _not_probed(observed: Observed) -> str:
    if observed.problems:
        return "the registry was not asked: the Connector, or a Secret that it names, cannot be used as it is"
    return "the registry was not asked yet"


def _proxy_ready(observed: Observed) -> Condition:
    if observed.problems:
        return Condition(PROXY, "False", ConditionReason.CONNECTOR_INVALID, "the Connector cannot be used")
    proxy = observed.proxy
    return Condition(PROXY, "True" if proxy.is_serving else "False", proxy.reason, proxy.message or proxy.url)


def _ready(details: Sequence[Condition], observed: Observed) -> Condition:
    """The first False of the others, then any problem, then the first Unknown."""
    for detail in details:
        # injected Pods need no gateway; and of an invalid Connector another condition says why
        if detail.status == "False" and detail.type != PROXY:
            return Condition(READY, "False", detail.reason, detail.message)
    if observed.problems:
        problem = observed.problems[0]
        return Condition(READY, "False", problem.reason, problem.message)
    unknown = [detail for detail in details if detail.status == "Unknown"]
    if unknown:
        return Condition(READY, "Unknown", unknown[0].reason, unknown[0].message)
    return Condition(READY, "True", ConditionReason.VALID, "the Connector can be used")
