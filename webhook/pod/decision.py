"""The decision on one Pod: what it asks for, whether it can be had, and the Pod that results. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from webhook import names
from webhook.clients.ports import allocate
from webhook.connector.manifest import MaybeConnector
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InputError, InvalidConnector, Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import shape
from webhook.pod.csi_volumes import unserved_volumes
from webhook.pod.injection import inject
from webhook.pod.obstacles import obstacles, size_problems
from webhook.pod.reasons import UNCHANGED, UNCONFINED, Reason
from webhook.pod.request import Request, parse_annotations
from webhook.pod.settings import Settings
from webhook.pod.shape import Json, declared_ports

Lookup = Callable[[ConnectorKey], MaybeConnector]

MOST_MESSAGE_CHARACTERS = 4096
"""Of a decision: a dozen or two of sentences. 16,000 hostPath volumes would make 3 MB of them."""

MOST_WARNINGS = 32
"""The API server passes on 4096 characters of them, 16 of full length (`review.WARNING_LIMIT`)."""

_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a Pod, as data."""

    reason: Reason
    message: str
    """A sentence, with the fix where the Pod is refused; all that is wrong is in it"""
    warnings: tuple[str, ...] = ()
    pod: Json | None = None
    """The injected Pod"""

    @property
    def allowed(self) -> bool:
        return self.reason is Reason.INJECTED or self.reason in UNCHANGED


def decide(
    pod: Mapping[str, Any],
    *,
    namespace: str,
    lookup: Lookup,
    settings: Settings,
    namespace_labels: Mapping[str, str] | None = None,
    quotas: Collection[str] = (),
) -> Decision:
    """`namespace` is the request's: a Pod with a generated name may not carry its own yet. `quotas` are the
    resources that ResourceQuotas there bound, such as `limits.cpu`."""
    misshapen = shape.shape_problems(pod)
    if misshapen:
        return Decision(Reason.INVALID_POD, f"this is no Pod: {_joined(misshapen)}")
    try:
        request = parse_annotations(_annotations(pod), namespace=namespace)
    except InputError as error:
        return _refused(error.problems)
    unchanged = _unchanged(pod, request)
    if unchanged:
        return unchanged
    oversize = size_problems(pod)
    if oversize:
        return _refused(oversize)
    unconfined_allowed = (namespace_labels or {}).get(names.ALLOW_UNCONFINED) == "true"
    found = obstacles(pod, request)
    lifted = UNCONFINED if unconfined_allowed else frozenset()
    tolerated = [one for one in found if one.reason in lifted]
    problems = [one for one in found if one.reason not in lifted] + _connector_problems(request, lookup)
    warnings = (*request.warnings, *_name_resolution(pod, settings), *_csi_volumes(pod))
    if problems:
        return _refused(problems, warnings)
    try:
        ports = allocate(request.keys, taken=declared_ports(pod), first=request.port)
    except LookupError as error:
        return _refused([Problem(Reason.PORT_TAKEN, f"{error}: declare fewer ports")], warnings)
    injection = inject(pod, request=request, ports=ports, settings=settings, quotas=quotas)
    allowances = (
        # in place of the fix, which the label makes unnecessary
        f"{problem.what}: allowed by the Namespace's label {names.ALLOW_UNCONFINED}"
        for problem in tolerated
    )
    everything = _few((*warnings, *allowances, *injection.warnings))
    return Decision(Reason.INJECTED, injection.message, everything, injection.pod)


def connectors_of(pod: object, *, namespace: str) -> tuple[ConnectorKey, ...]:
    """The keys that `decide` will look up: the edge fetches them before. Empty where it will refuse
    anyway."""
    if shape.shape_problems(pod) or not isinstance(pod, Mapping):
        return ()
    try:
        return parse_annotations(_annotations(pod), namespace=namespace).keys
    except InputError:
        return ()


def _annotations(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("annotations") or {}


def _unchanged(pod: Mapping[str, Any], request: Request) -> Decision | None:
    if request.is_opted_out:
        return Decision(Reason.OPTED_OUT, f"annotation {names.INJECT} is false")
    if not request.connectors:
        return Decision(Reason.NOT_REQUESTED, f"there is no annotation {names.CONNECTOR}", request.warnings)
    if _MIRROR in _annotations(pod):
        message = "a static Pod cannot be injected: the kubelet runs it from a file"
        return Decision(Reason.MIRROR_POD, message, (*request.warnings, message))
    return None


def _connector_problems(request: Request, lookup: Lookup) -> list[Problem]:
    found = []
    for key in request.keys:
        connector = lookup(key)
        if connector is None:
            sentence = f"connector {key.name} not found in namespace {key.namespace}"
            found.append(Problem(Reason.CONNECTOR_NOT_FOUND, sentence, "create it, or name another"))
        elif isinstance(connector, InvalidConnector):
            reasons = [problem.reason for problem in connector.problems]
            is_class = ConnectorReason.CONNECTOR_CLASS_NOT_FOUND in reasons
            reason = Reason.CONNECTOR_CLASS_NOT_FOUND if is_class else Reason.CONNECTOR_INVALID
            found.append(Problem(reason, str(connector)))
    return found


def _name_resolution(pod: Mapping[str, Any], settings: Settings) -> list[str]:
    """A warning only: `dnsConfig` or the node's own resolver may know the Service all the same."""
    policy = pod["spec"].get("dnsPolicy")
    host = urlsplit(settings.broker_url).hostname or ""
    if policy not in ("Default", "None") or ".svc" not in host:
        return []
    return [
        f"dnsPolicy {policy} may not resolve {host}: the sidecar then answers 503; use dnsPolicy ClusterFirst"
    ]


def _csi_volumes(pod: Mapping[str, Any]) -> list[str]:
    """Only a warning: the driver may be installed beside this product."""
    return [
        f"volume {name} is of the CSI driver {names.CSI_DRIVER}, which this product does not serve: where "
        "the driver is not installed, the Pod waits in ContainerCreating; remove the volume, for the "
        "annotation is enough"
        for name, _ in unserved_volumes(pod)
    ]


def _refused(problems: list[Problem] | tuple[Problem, ...], warnings: tuple[str, ...] = ()) -> Decision:
    """The first problem's reason, and the sentences of all."""
    message = _joined([problem.message for problem in problems])
    return Decision(Reason(problems[0].reason), message, _few(warnings))


def _joined(sentences: Sequence[str]) -> str:
    """The first ones up to the limit, each cut at a quarter of it, and the number of the rest."""
    longest = MOST_MESSAGE_CHARACTERS // 4
    shown: list[str] = []
    room = MOST_MESSAGE_CHARACTERS - len("; and 1000000 more problems")
    for sentence in sentences:
        short = sentence if len(sentence) <= longest else sentence[: longest - 1] + "…"
        room -= len(short) + len("; ")
        if room < 0:
            break
        shown.append(short)
    rest = len(sentences) - len(shown)
    return "; ".join([*shown, *([f"and {rest} more problems"] if rest else [])])


def _few(warnings: Sequence[str]) -> tuple[str, ...]:
    if len(warnings) <= MOST_WARNINGS:
        return tuple(warnings)
    shown = warnings[: MOST_WARNINGS - 1]
    return (*shown, f"and {len(warnings) - len(shown)} more warnings")
