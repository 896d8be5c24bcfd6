"""The decision on a Pod: its request, whether it can be served, and the Pod that results. Pure.

It takes two steps, `parse_pod` and `decide_request`, so that a caller can fetch the Connectors between them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from webhook import names
from webhook.clients.ports import allocate
from webhook.connector.manifest import Connector
from webhook.errors import InputError, Problem
from webhook.pod import shape
from webhook.pod.connector_rules import (
    Lookup,
    connector_problems,
    index_rule,
    unknown_configurations,
    unreachable_connectors,
)
from webhook.pod.csi_volumes import driver_volumes
from webhook.pod.inheritance import inherit
from webhook.pod.injection import inject, left_to_driver, let_through
from webhook.pod.misspelling import misspellings
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.obstacles import obstacles, size_problems
from webhook.pod.quota_room import room_warnings
from webhook.pod.reasons import UNCHANGED, UNCONFINED, Reason
from webhook.pod.request import Request
from webhook.pod.resolution import read_request
from webhook.pod.resources import sidecar_resources
from webhook.pod.sentences import few, joined
from webhook.pod.settings import Settings
from webhook.pod.shape import Json, declared_ports


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a Pod, as data."""

    reason: Reason
    message: str
    """A sentence or, if the Pod is refused, a line for each problem, with its fix"""
    warnings: tuple[str, ...] = ()
    pod: Json | None = None
    """The injected Pod, or one that is let through with an obstacle as the reason"""
    dropped: tuple[str, ...] = ()
    """Fields of our container that another webhook dropped, and that `pod` has again"""

    @property
    def allowed(self) -> bool:
        return self.pod is not None or self.reason in UNCHANGED


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
# asks        `names.CONNECTOR` names a Connector, on the Pod or on a labelled Namespace (`inheritance`). Or a
#             volume of `names.CSI_DRIVER` does, unless a CSIDriver of that name is installed: a Pod that asks
#             by nothing else is then LeftToDriver
# static      the kubelet runs the Pod from a file
# small       within the limits of `obstacles.size_problems`
# clear       no obstacle, and room for the sidecar's resources; the Namespace's label
#             `names.ALLOW_UNCONFINED` turns the reasons of `reasons.UNCONFINED` from obstacles into warnings
# Connectors  each exists and keeps its contract; the message of row 7 names their problems as well
# port        each Connector gets a loopback port of its own
# alone       no variable of the author's names another index, or no Connector refuses that
#
# Rows 1 to 6 need no Connector: `parse_pod` decides them, `decide_request` the others.
#
# A Pod for which only its Namespace asks is let through where it cannot be served: it may be a DaemonSet's.
# Without an obstacle it is decided on as any other: it would install from elsewhere.
#
#     valid  small  clear  Connectors  port  alone  decision
#  3  no     yes    yes    -           yes   -      InvalidAnnotation, which names the Namespace
#  6  -      no     -      -           -     -      let through: PodTooLarge
#  7  -      yes    no     -           -     -      let through: the first obstacle's reason
#  9  -      yes    yes    -           no    -      let through: PortTaken
#  8  yes    yes    yes    no          yes   -      ConnectorNotFound, …
# 10  yes    yes    yes    yes         yes   no     ExtraIndex
#
# In a second round the Pod names a connector, and an obstacle that another webhook has added refuses it:
# nobody takes the sidecar out again.


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
    facts = facts or NamespaceFacts()
    request = parse_pod(pod, namespace=namespace, facts=facts, has_csi_driver=has_csi_driver)
    if isinstance(request, Decision):
        return request
    return decide_request(pod, request, lookup=lookup, settings=settings, facts=facts)


def parse_pod(
    pod: Mapping[str, Any], *, namespace: str, facts: NamespaceFacts, has_csi_driver: bool = False
) -> Request | Decision:
    """The first step: the Pod's request, or the decision where no Connector matters to it. The parameters are
    those of `resolution.read_request`."""
    misshapen = shape.shape_problems(pod)
    if misshapen:
        return Decision(Reason.INVALID_POD, f"this is no Pod: {joined(misshapen)}")
    asks_by_volume = not has_csi_driver and any(driver_volumes(pod))
    inheritance = inherit(pod, facts, asks_by_volume=asks_by_volume)
    try:
        request = read_request(
            pod,
            annotations=inheritance.annotations,
            namespace=namespace,
            has_csi_driver=has_csi_driver,
            inherited=inheritance.inherited,
        )
    except InputError as error:
        passed = None if inheritance.asks_itself else _let_through(pod, Request(), namespace, facts)
        return passed or _refused(error.problems)
    unchanged = _unchanged(pod, request, namespace, facts)
    if unchanged and unchanged.pod is None:
        return unchanged
    request = replace(request, is_asked_by_namespace=inheritance.is_asked_by_namespace)
    if inheritance.asks_itself or unchanged:
        oversize = size_problems(pod)
        return _refused(oversize) if oversize else unchanged or request
    return _let_through(pod, request, namespace, facts) or request


def decide_request(
    pod: Mapping[str, Any], request: Request, *, lookup: Lookup, settings: Settings, facts: NamespaceFacts
) -> Decision:
    """The second step. `request` is the result of `parse_pod` for this Pod; `lookup` has its Connectors."""
    problems, tolerated = _obstacles(pod, request, facts)
    resources, misfits = sidecar_resources(request.resources, pod, facts)
    problems += [*misfits, *connector_problems(request, lookup), *unknown_configurations(request, lookup)]
    warnings = (
        *request.warnings,
        *misspellings(pod),
        *_name_resolution(pod, settings),
        *_left_to_driver(pod, request),
        *unreachable_connectors(request, lookup),
    )
    if problems:
        return _refused(problems, warnings)
    unlistenable = _port_problems(pod, request)
    if unlistenable:
        return _refused(unlistenable, warnings)
    found = {key: connector for key in request.keys if isinstance(connector := lookup(key), Connector)}
    injection = inject(
        pod,
        request=request,
        ports=allocate(request.keys, taken=declared_ports(pod), first=request.port),
        settings=settings,
        rule=index_rule(request, lookup),
        resources=resources,
        connectors=found,  # all: else there is a problem
    )
    if injection.problems:
        return _refused(injection.problems, warnings)
    allowances = (
        # in place of the fix, which the label makes unnecessary
        f"{problem.what}: allowed by the Namespace's label {names.ALLOW_UNCONFINED}"
        for problem in tolerated
    )
    short = room_warnings(facts.rooms, resources, pod, facts.limit_ranges)
    all_warnings = few((*warnings, *short, *allowances, *injection.warnings))
    return Decision(Reason.INJECTED, injection.message, all_warnings, injection.pod, injection.dropped)


def _annotations(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("annotations") or {}


def _obstacles(
    pod: Mapping[str, Any], request: Request, facts: NamespaceFacts
) -> tuple[list[Problem], list[Problem]]:
    """The obstacles, and those that the Namespace allows."""
    is_unconfined_allowed = facts.labels.get(names.ALLOW_UNCONFINED) == "true"
    lifted = UNCONFINED if is_unconfined_allowed else frozenset()
    in_the_way = obstacles(pod, request)
    tolerated = [problem for problem in in_the_way if problem.reason in lifted]
    return [problem for problem in in_the_way if problem.reason not in lifted], tolerated


def _let_through(
    pod: Mapping[str, Any], request: Request, namespace: str, facts: NamespaceFacts
) -> Decision | None:
    """A Pod that did not ask itself and that no connector can serve: it starts without a sidecar.

    Otherwise a labelled Namespace would lose its DaemonSets and the Pods of its node agents.
    """
    problems = size_problems(pod)
    if not problems:
        _, misfits = sidecar_resources(request.resources, pod, facts)
        problems = [*_obstacles(pod, request, facts)[0], *misfits, *_port_problems(pod, request)]
    if not problems:
        return None
    sentences = [problem.message for problem in problems]
    what = f"no sidecar, though Namespace {namespace} asks for one"
    message = joined([f"{what}: {sentences[0]}", *sentences[1:]])
    reason = Reason(problems[0].reason)
    warnings = few([f"{what}: {sentence}" for sentence in sentences])
    return Decision(reason, message, warnings, let_through(pod, request, reason, message))


def _port_problems(pod: Mapping[str, Any], request: Request) -> list[Problem]:
    try:
        allocate(request.keys, taken=declared_ports(pod), first=request.port)
    except LookupError as error:
        return [Problem(Reason.PORT_TAKEN, f"{error}: declare fewer ports")]
    return []


def _unchanged(
    pod: Mapping[str, Any], request: Request, namespace: str, facts: NamespaceFacts
) -> Decision | None:
    if request.is_opted_out:
        warnings = few([_unserved(name) for name in _names(driver_volumes(pod))])
        return Decision(Reason.OPTED_OUT, f"annotation {names.INJECT} is false", warnings)
    if not request.connectors:
        absent = (
            f"Namespace {namespace} has the label {names.INJECT}={names.OPTED_IN}, but no annotation "
            f"{names.CONNECTOR}: its Pods get no connector"
        )
        of_namespace = [absent] if facts.is_opted_in and names.CONNECTOR not in facts.defaults else []
        left = _left_to_driver(pod, request)
        warnings = few((*of_namespace, *request.warnings, *misspellings(pod), *left))
        if left and names.CSI_VOLUMES in request.resolved:
            message = f"the CSI driver {names.CSI_DRIVER} is installed, and serves the volumes"
            return Decision(Reason.LEFT_TO_DRIVER, message, warnings, left_to_driver(pod, request))
        message = f"there is no annotation {names.CONNECTOR}, and no volume of {names.CSI_DRIVER}"
        return Decision(Reason.NOT_REQUESTED, message, warnings)
    if shape.MIRROR_ANNOTATION in _annotations(pod):
        message = "a static Pod cannot be injected: the kubelet runs it from a file"
        return Decision(Reason.MIRROR_POD, message, (*request.warnings, message))
    return None


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
    message = joined([problem.message for problem in problems])
    return Decision(Reason(problems[0].reason), message, few(warnings))
