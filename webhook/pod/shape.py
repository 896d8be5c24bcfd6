"""A Pod as a plain dict: the shape of the fields that admission reads, and ways to them. Pure.

Typed models drop fields that they do not know, and the patch would remove these from the user's Pod. The API
server sends well-formed Pods only; any other caller gets a sentence instead of a stack trace.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names

Json = dict[str, Any]

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
"""Of a static Pod, which the kubelet runs from a file"""

FINISHED_PHASES = ("Succeeded", "Failed")

_TEXTS = "an object of texts"
_CONTAINER: Json = {
    "name": str,
    "env": [{"name": str}],
    "envFrom": [{"prefix": str, "configMapRef": {"name": str}, "secretRef": {"name": str}}],
    "ports": [{}],
    "volumeMounts": [{"name": str, "mountPath": str, "subPath": str, "subPathExpr": str}],
    "securityContext": {"capabilities": {"add": [str]}, "windowsOptions": {}},
    "resources": {"limits": {}, "requests": {}},
}
_NODE_SELECTOR: Json = {
    "nodeSelectorTerms": [
        {"matchExpressions": [{"key": str, "operator": str, "values": [str]}], "matchFields": [{}]}
    ]
}
_POD: Json = {
    "metadata": {"annotations": _TEXTS, "labels": _TEXTS},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "volumes": [
            {"name": str, "hostPath": {"path": str}, "csi": {"driver": str, "volumeAttributes": _TEXTS}}
        ],
        "securityContext": {"windowsOptions": {}},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _NODE_SELECTOR}},
        "nodeSelector": _TEXTS,
        "os": {"name": str},
        "resources": {"limits": {}, "requests": {}},
    },
}
"""Field → its type: a text (`str`), a list (`[type]`), or an object (`{}`, with the types of some fields)"""


def shape_problems(pod: object) -> list[str]:
    """A sentence for each field that has another type than in the API. Absent fields and null are fine."""
    problems = list(_mismatches(pod, _POD, "the Pod"))
    if not problems and isinstance(pod, Mapping) and not (pod.get("spec") or {}).get("containers"):
        problems.append("spec.containers is empty")
    return problems


def containers(pod: Mapping[str, Any]) -> Iterator[Json]:
    """Init containers, then the others: the kubelet starts them in this order."""
    spec = pod.get("spec") or {}
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def workload_containers(pod: Mapping[str, Any]) -> Iterator[Json]:
    """The containers that are the Pod's own: all but the sidecar of an earlier pass."""
    return (container for container in containers(pod) if container.get("name") != names.SIDECAR)


def declared_ports(pod: Mapping[str, Any]) -> frozenset[int]:
    """The TCP ports that the Pod's own containers declare."""
    return frozenset(
        port["containerPort"]
        for container in workload_containers(pod)
        for port in container.get("ports") or []
        if isinstance(port.get("containerPort"), int) and port.get("protocol", "TCP") == "TCP"
    )


def _mismatches(value: object, shape: Any, path: str) -> Iterator[str]:
    if shape is str:
        if not isinstance(value, str):
            yield f"{path} is not a text"
    elif shape is _TEXTS:
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            yield f"{path} is not {_TEXTS}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{path} is not a list"
            return
        for index, item in enumerate(value):
            yield from _mismatches(item, shape[0], f"{path}[{index}]")
    elif not isinstance(value, dict):
        yield f"{path} is not an object"
    else:
        prefix = "" if shape is _POD else path + "."
        for key, inner in shape.items():
            if value.get(key) is not None:
                yield from _mismatches(value[key], inner, prefix + key)
