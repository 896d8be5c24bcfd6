"""Why a Pod cannot be served: its spec leaves no room for the sidecar, or breaks the promise. Pure.

The promise: no process in the workload's containers gets the credential. A process that shares the node's
network, sees the processes of other containers, or reaches the node's files could take it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sidecar.contract.words import CONFIG_DIR
from webhook import names
from webhook.clients.variables import OUR_VARIABLES
from webhook.errors import Problem
from webhook.pod import mounts
from webhook.pod.operating_system import windows_statement
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.sent import is_added_volume
from webhook.pod.shape import Json, containers, declared_ports, workload_containers

CAPABILITIES = frozenset({"ALL", "SYS_ADMIN", "SYS_PTRACE"})
"""Each lets a process look into processes of other containers, or into the node."""

CONTAINERS_LIMIT = 200
"""Init containers included. The largest Pods that we know have some dozens."""

ENTRIES_LIMIT = 5000
"""Variables, mounts, ports and volumes of the whole Pod: 25 for each container. A Pod at the limit takes a
tenth of a second, in which the process admits no other Pod."""

VALUES_LIMIT = 50_000
"""Objects, lists, texts and numbers of the whole Pod: ten for each entry. Each is copied and compared."""

_LIFTED = f", or label the Namespace {names.ALLOW_UNCONFINED}=true"
"""The other fix of the obstacles in `reasons.UNCONFINED`"""


def size_problems(pod: Mapping[str, Any]) -> list[Problem]:
    """Whether the Pod is too large to be searched, copied and compared while others wait."""
    counts = (
        (sum(1 for _ in containers(pod)), CONTAINERS_LIMIT, "containers", "split the Pod"),
        (
            _entries(pod),
            ENTRIES_LIMIT,
            "variables, mounts, ports and volumes",
            "use envFrom, or fewer volumes",
        ),
        (_values(pod), VALUES_LIMIT, "fields and values", "move some into a ConfigMap"),
    )
    return [
        Problem(Reason.POD_TOO_LARGE, f"the Pod has {count} {items}; at most {limit} are served", remedy)
        for count, limit, items, remedy in counts
        if count > limit
    ]


def _entries(pod: Mapping[str, Any]) -> int:
    of_containers = sum(
        len(container.get(field) or [])
        for container in containers(pod)
        for field in ("env", "volumeMounts", "ports")
    )
    # of an earlier pass; a name that stands there again counts
    ours = sum(
        len(OUR_VARIABLES.intersection(entry.get("name") for entry in container.get("env") or []))
        for container in containers(pod)
    )
    return of_containers - ours + len(pod["spec"].get("volumes") or [])


def _values(pod: Mapping[str, Any]) -> int:
    """All values, counted without recursion: JSON may be nested deeper than the stack allows."""
    count = 0
    layer: list[Any] = [pod]
    while layer:
        count += len(layer)
        layer = [inner for value in layer for inner in _inner(value)]
    return count


def _inner(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def obstacles(pod: Mapping[str, Any], request: Request) -> list[Problem]:
    """Every obstacle. A Namespace may allow the reasons in `reasons.UNCONFINED`."""
    spec = pod["spec"]
    result = [*_shared(spec), *_windows(pod), *_names(spec, request), *_port(pod, request), *_host_paths(pod)]
    for container in workload_containers(pod):
        result += _security(container)
        result += _mounts(container, request)
    return result


def _shared(spec: Mapping[str, Any]) -> Iterator[Problem]:
    if spec.get("hostNetwork"):
        yield Problem(
            Reason.HOST_NETWORK,
            "hostNetwork is set: the proxy would listen on the node's loopback interface; remove hostNetwork",
        )
    if spec.get("hostPID"):
        yield Problem(
            Reason.HOST_PID, "hostPID is set: the Pod could read the sidecar's memory; remove hostPID"
        )
    if spec.get("shareProcessNamespace"):
        yield Problem(
            Reason.SHARE_PROCESS_NAMESPACE,
            "shareProcessNamespace is set: the Pod's containers could read the sidecar's memory; remove it",
        )


def _windows(pod: Mapping[str, Any]) -> Iterator[Problem]:
    statement = windows_statement(pod)
    if statement:
        yield Problem(
            Reason.WINDOWS,
            f"the Pod is for Windows ({statement}): the sidecar runs on Linux only; "
            f"set {names.INJECT} to false",
        )


def _names(spec: Mapping[str, Any], request: Request) -> Iterator[Problem]:
    if any(container.get("name") == names.SIDECAR for container in spec.get("containers") or []):
        yield Problem(
            Reason.NAME_TAKEN,
            f"a container of the Pod is named {names.SIDECAR}, which is the sidecar's name: rename it",
        )
    present = [container.get("name", "") for container in workload_containers({"spec": spec})]
    known = set(present)
    missing = [name for name in request.containers or () if name not in known]
    if missing:
        yield Problem(
            Reason.UNKNOWN_CONTAINER,
            f"annotation {names.CONTAINERS} names {', '.join(missing)}; the Pod has {', '.join(present)}",
        )


def _port(pod: Mapping[str, Any], request: Request) -> Iterator[Problem]:
    if request.port in declared_ports(pod):
        yield Problem(
            Reason.PORT_TAKEN,
            f"annotation {names.PORT} asks for {request.port}, which a container of the Pod declares: "
            "take another",
        )


def _host_paths(pod: Mapping[str, Any]) -> Iterator[Problem]:
    """Agents for monitoring and tracing have webhooks that mount their socket into Pods of others."""
    for volume in pod["spec"].get("volumes") or []:
        if "hostPath" not in volume:
            continue
        name = volume.get("name")
        if is_added_volume(pod, name):
            what = f"volume {name} is a hostPath, and not the author's: another webhook has added it"
            fix = f"exclude the Pod from that webhook{_LIFTED}"
        else:
            what = f"volume {name} is a hostPath"
            fix = f"use another volume, or exclude the Pod from the webhook that added it{_LIFTED}"
        yield Problem(Reason.HOST_PATH_VOLUME, what, f"the node's files lead to other containers; {fix}")


def _security(container: Json) -> Iterator[Problem]:
    context = container.get("securityContext") or {}
    container_name = container.get("name")
    if context.get("privileged"):
        yield Problem(
            Reason.PRIVILEGED_CONTAINER,
            f"container {container_name} is privileged",
            f"it could read the sidecar's memory; remove privileged{_LIFTED}",
        )
    added = (context.get("capabilities") or {}).get("add") or []
    harmful = [name for name in added if name.upper().removeprefix("CAP_") in CAPABILITIES]
    if harmful:
        yield Problem(
            Reason.CAPABILITY_NOT_ALLOWED,
            f"container {container_name} adds {', '.join(harmful)}",
            f"it could read the sidecar's memory; remove it{_LIFTED}",
        )


def _mounts(container: Json, request: Request) -> Iterator[Problem]:
    name = container.get("name", "")
    for mount in container.get("volumeMounts") or []:
        volume, path = mount.get("name"), mount.get("mountPath")
        if volume == names.TOKEN_VOLUME:
            yield Problem(
                Reason.VOLUME_MISUSED,
                f"container {name} mounts {volume}, the sidecar's token: remove the mount",
            )
        elif volume == names.CONFIG_VOLUME and not mounts.is_ours(mount) and not mount.get("readOnly"):
            yield Problem(
                Reason.VOLUME_MISUSED,
                f"container {name} mounts {volume} at {path} writable: set readOnly, "
                "or name your volume otherwise",
            )
        elif request.selects(name) and not mounts.is_ours(mount) and mounts.lies_in(mount, CONFIG_DIR):
            yield Problem(
                Reason.MOUNT_PATH_TAKEN,
                f"container {name} mounts {volume} at {path}, where the connector's files lie: "
                f"mount it elsewhere, or leave the container out of {names.CONTAINERS}",
            )
