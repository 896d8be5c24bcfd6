"""The decision on a Pod: its request, whether it can be served, and the Pod that results. Pure.

It takes two steps, `parse_pod` and `decide_request`, so that a caller can fetch the Connectors between them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from webhook import names
from webhook.clients.ports import allocate
from webhook.connector.manifest import Connector, MaybeConnector
from webhook.connector.parameters import STRICTEST_FIRST
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InputError, InvalidConnector, Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import shape
from webhook.pod.csi_volumes import driver_volumes
from webhook.pod.injection import inject, write_annotations
from webhook.pod.misspelling import misspellings
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.obstacles import obstacles, size_problems
from webhook.pod.quota_room import room_warnings
from webhook.pod.reasons import UNCHANGED, UNCONFINED, Reason
from webhook.pod.request import Request
from webhook.pod.resolution import read_request
from webhook.pod.resources import sidecar_resources
from webhook.pod.settings import Settings
from webhook.pod.shape import Json, declared_ports
from webhook.pod.workload import IndexRule

Lookup = Callable[[ConnectorKey], MaybeConnector]

MESSAGE_LIMIT = 4096
"""Characters of a message: a dozen or two of sentences. 16,000 hostPath volumes would make 3 MB of them."""

WARNINGS_LIMIT = 32
"""The API server passes on 4096 characters of warnings, 16 of full length (`review.WARNING_LIMIT`)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a Pod, as data."""

    reason: Reason
    message: str
    """A sentence or, if the Pod is refused, a line for each problem, with its fix"""
    warnings: tuple[str, ...] = ()
    pod: Json | None = None
    """The injected Pod"""
    dropped: tuple[str, ...] = ()
    """Fields of our container that another webhook dropped, and that `pod` has again"""

    @property
    def allowed(self) -> bool:
        return self.reason is Reason.INJECTED or self.reason in UNCHANGED


# Truth table. The first row that fits decides; "-" is not looked at.
#
#     shape  opts out  valid  asks  static  small  clear  Connectors  port  alone  decision
#  1  no     -         -      -     -       -      -      -           -     -      InvalidPod
#  2  yes    yes       -      -     -       -      -      -           -     -      OptedOut
#  3  yes    no        no     -     -       -      -      -           -     -      Invalid…, Publish…
#  4  yes    no        yes    no    -       -      -      -           -     -      NotRequested, LeftToDriver
#  5  yes    no        yes    yes   yes     -      -      -           -     -      MirrorPod
#  6  yes    no        yes    yes   no      no     -      -           -     -      PodTooLarge
#  7  yes    no        yes    yes   no      yes    no     any         -     -      the first obstacle's reason
#  8  yes    no        yes    yes   no      yes    yes    no          -     -      ConnectorNotFound, …
#  9  yes    no        yes    yes   no      yes    yes    yes         no    -      PortTaken
# 10  yes    no        yes    yes   no      yes    yes    yes         yes   no     ExtraIndex
# 11  yes    no        yes    yes   no      yes    yes    yes         yes   yes    Injected
#
# shape       the fields that admission reads have the types of the API
# opts out    `names.INJECT` is "false"
# valid       each annotation and CSI volume can be read, and none contradicts another
# asks        `names.CONNECTOR` or a volume of `names.CSI_DRIVER` names a Connector; volumes do not where a
#             CSIDriver of that name is installed: a Pod that asks by nothing else is LeftToDriver
# static      the kubelet runs the Pod from a file
# small       within the limits of `obstacles.size_problems`
# clear       no obstacle, and room for the sidecar's resources; the Namespace's label
#             `names.ALLOW_UNCONFINED` turns the reasons of `reasons.UNCONFINED` from obstacles into warnings
# Connectors  each exists and keeps its contract; the message of row 7 names their problems as well
# port        each Connector gets a loopback port of its own
# alone       no variable of the author's names another index, or no Connector refuses that
#
# Rows 1 to 6 need no Connector: `parse_pod` decides them, `decide_request` the others.


def decide(
    pod: Mapping[str, Any],
    *,
    namespace: str,
    lookup: Lookup,
    settings: Settings,
    facts: NamespaceFacts | None = None,
    has_csi_driver: bool = False,
) -> Decision:
    """Both steps, for callers that have every Connector at hand."""
    request = parse_pod(pod, namespace=namespace, has_csi_driver=has_csi_driver)
    if isinstance(request, Decision):
        return request
    return decide_request(pod, request, lookup=lookup, settings=settings, facts=facts or NamespaceFacts())


def parse_pod(pod: Mapping[str, Any], *, namespace: str, has_csi_driver: bool = False) -> Request | Decision:
    """The first step: the Pod's request, or the decision where no Connector matters to it. The parameters are
    those of `resolution.read_request`."""
    misshapen = shape.shape_problems(pod)
    if misshapen:
        return Decision(Reason.INVALID_POD, f"this is no Pod: {_joined(misshapen)}")
    try:
        request = read_request(pod, namespace=namespace, has_csi_driver=has_csi_driver)
    except InputError as error:
        return _refused(error.problems)
    unchanged = _unchanged(pod, request)
    if unchanged and unchanged.pod is None:
        return unchanged
    oversize = size_problems(pod)
    return _refused(oversize) if oversize else unchanged or request


def decide_request(
    pod: Mapping[str, Any], request: Request, *, lookup: Lookup, settings: Settings, facts: NamespaceFacts
) -> Decision:
    """The second step. `request` is the result of `parse_pod` for this Pod; `lookup` has its Connectors."""
    is_unconfined_allowed = facts.labels.get(names.ALLOW_UNCONFINED) == "true"
    lifted = UNCONFINED if is_unconfined_allowed else frozenset()
    in_the_way = obstacles(pod, request)
    tolerated = [problem for problem in in_the_way if problem.reason in lifted]
    problems = [problem for problem in in_the_way if problem.reason not in lifted]
    resources, misfits = sidecar_resources(request.resources, pod, facts)
    problems += [*misfits, *_connector_problems(request, lookup)]
    warnings = (
        *request.warnings,
        *misspellings(pod),
        *_name_resolution(pod, settings),
        *_left_to_driver(pod, request),
    )
    if problems:
        return _refused(problems, warnings)
    try:
        ports = allocate(request.keys, taken=declared_ports(pod), first=request.port)
    except LookupError as error:
        return _refused([Problem(Reason.PORT_TAKEN, f"{error}: declare fewer ports")], warnings)
    rule = _index_rule(request, lookup)
    injection = inject(pod, request=request, ports=ports, settings=settings, rule=rule, resources=resources)
    if injection.problems:
        return _refused(injection.problems, warnings)
    allowances = (
        # in place of the fix, which the label makes unnecessary
        f"{problem.what}: allowed by the Namespace's label {names.ALLOW_UNCONFINED}"
        for problem in tolerated
    )
    short = room_warnings(facts.rooms, resources, pod, facts.limit_ranges)
    all_warnings = _few((*warnings, *short, *allowances, *injection.warnings))
    return Decision(Reason.INJECTED, injection.message, all_warnings, injection.pod, injection.dropped)


def _annotations(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("annotations") or {}


def _unchanged(pod: Mapping[str, Any], request: Request) -> Decision | None:
    if request.is_opted_out:
        warnings = _few([_unserved(name) for name in _names(driver_volumes(pod))])
        return Decision(Reason.OPTED_OUT, f"annotation {names.INJECT} is false", warnings)
    if not request.connectors:
        left = _left_to_driver(pod, request)
        warnings = _few((*request.warnings, *misspellings(pod), *left))
        if left and names.CSI_VOLUMES in request.resolved:
            marked = {**pod, "metadata": {**(pod.get("metadata") or {})}}
            write_annotations(marked, request)
            message = f"the CSI driver {names.CSI_DRIVER} is installed, and serves the volumes"
            return Decision(Reason.LEFT_TO_DRIVER, message, warnings, marked)
        message = f"there is no annotation {names.CONNECTOR}, and no volume of {names.CSI_DRIVER}"
        return Decision(Reason.NOT_REQUESTED, message, warnings)
    if shape.MIRROR_ANNOTATION in _annotations(pod):
        message = "a static Pod cannot be injected: the kubelet runs it from a file"
        return Decision(Reason.MIRROR_POD, message, (*request.warnings, message))
    return None


def _connector_problems(request: Request, lookup: Lookup) -> list[Problem]:
    problems: list[Problem] = []
    for key in request.keys:
        connector = lookup(key)
        if connector is None:
            sentence = f"connector {key.name} not found in namespace {key.namespace}"
            problems.append(Problem(Reason.CONNECTOR_NOT_FOUND, sentence, "create it, or name another"))
        elif isinstance(connector, InvalidConnector):
            reasons = [problem.reason for problem in connector.problems]
            is_class = ConnectorReason.CONNECTOR_CLASS_NOT_FOUND in reasons
            reason = Reason.CONNECTOR_CLASS_NOT_FOUND if is_class else Reason.CONNECTOR_INVALID
            problems += [replace(problem, reason=reason) for problem in connector.problems]
    return problems


def _index_rule(request: Request, lookup: Lookup) -> IndexRule:
    """The strictest rule of the Connectors to install from."""
    of_volumes = [key for volume in request.volumes if volume.has_index for key in volume.connectors]
    rules = {
        connector.extra_indexes: key
        for key in reversed([*request.connectors, *of_volumes])
        if isinstance(connector := lookup(key), Connector)
    }
    value = next(value for value in STRICTEST_FIRST if value in rules)
    return IndexRule(value, rules[value])


def _name_resolution(pod: Mapping[str, Any], settings: Settings) -> list[str]:
    """Warnings only: `dnsConfig` or the node's own resolver may know the Service."""
    policy = pod["spec"].get("dnsPolicy")
    host = urlsplit(settings.broker_url).hostname or ""
    if policy not in ("Default", "None") or ".svc" not in host:
        return []
    return [
        f"dnsPolicy {policy} may not resolve {host}: the sidecar then answers 503; use dnsPolicy ClusterFirst"
    ]


def _left_to_driver(pod: Mapping[str, Any], request: Request) -> list[str]:
    served = {volume.name for volume in request.volumes}
    return [
        f"volume {name} is left to the CSI driver {names.CSI_DRIVER}, which is installed in this cluster"
        if names.CSI_VOLUMES in request.resolved
        else _unserved(name)
        for name in _names(driver_volumes(pod))
        if name not in served
    ]


def _names(volumes: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(volume.get("name")) for volume in volumes]


def _unserved(name: str) -> str:
    """Of a Pod that opts out, or that the kubelet runs from a file."""
    return (
        f"volume {name} is of the CSI driver {names.CSI_DRIVER}, and this Pod is not served: where the "
        "driver is not installed, the Pod waits in ContainerCreating; remove the volume"
    )


def _refused(problems: Sequence[Problem], warnings: tuple[str, ...] = ()) -> Decision:
    """The reason is the first problem's, the message has the sentences of all."""
    message = _joined([problem.message for problem in problems])
    return Decision(Reason(problems[0].reason), message, _few(warnings))


def _joined(sentences: Sequence[str]) -> str:
    """A line for each sentence, cut at a quarter of the limit; past the limit, the number of the others.

    kubectl prints the lines of a refusal as they are. Sentences hold semicolons and commas themselves.
    """
    line_limit = MESSAGE_LIMIT // 4
    lines: list[str] = []
    room = MESSAGE_LIMIT - len("\nand 1000000 more problems")  # the last line must fit as well
    for sentence in sentences:
        line = " ".join(sentence.splitlines())  # before validation a name may hold a line break
        if len(line) > line_limit:
            line = line[: line_limit - 1] + "…"
        room -= len(line) + len("\n")
        if room < 0:
            return "\n".join([*lines, f"and {len(sentences) - len(lines)} more problems"])
        lines.append(line)
    return "\n".join(lines)


def _few(warnings: Sequence[str]) -> tuple[str, ...]:
    if len(warnings) <= WARNINGS_LIMIT:
        return tuple(warnings)
    first = warnings[: WARNINGS_LIMIT - 1]
    return (*first, f"and {len(warnings) - len(first)} more warnings")
