"""Statements of a Pod that it can run on Windows nodes only. Pure.

Kubernetes has many ways to say so. Each counts only where it leaves no Linux node, because a Pod that may run
on either can be served on Linux. The rules of a RuntimeClass need no look: the API server writes them into
the node selector before it calls a webhook.

https://kubernetes.io/docs/concepts/windows/user-guide/#ensuring-os-specific-workloads-land-on-the-appropriate-container-host
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webhook.pod.shape import workload_containers

_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_BUILD_LABEL = "node.kubernetes.io/windows-build"
"""Only Windows nodes have it."""
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")
"""`C:\\data`, and `\\\\.\\pipe\\docker_engine`"""


def windows_statement(pod: Mapping[str, Any]) -> str | None:
    """The field by which the Pod says that it is for Windows; None for a Pod that may run on Linux."""
    spec = pod["spec"]
    system = (spec.get("os") or {}).get("name")
    if system:
        return "spec.os" if system == "windows" else None
    selector = spec.get("nodeSelector") or {}
    if any(selector.get(label, "linux") != "linux" for label in _OS_LABELS) or _BUILD_LABEL in selector:
        return "spec.nodeSelector"
    if _affinity_excludes_linux(spec):
        return "spec.affinity.nodeAffinity"
    is_for_linux = any(selector.get(label) == "linux" for label in _OS_LABELS)
    return None if is_for_linux else next(_windows_fields(pod), None)


def _affinity_excludes_linux(spec: Mapping[str, Any]) -> bool:
    """A node has to match one of the terms, so each must exclude Linux. An empty term matches no node."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [
        term
        for term in required.get("nodeSelectorTerms") or []
        if term.get("matchExpressions") or term.get("matchFields")
    ]
    return bool(terms) and all(_term_excludes_linux(term) for term in terms)


def _term_excludes_linux(term: Mapping[str, Any]) -> bool:
    """A node has to match all expressions of a term, so one of them is enough."""
    return any(_excludes_linux(expression) for expression in term.get("matchExpressions") or [])


def _excludes_linux(expression: Mapping[str, Any]) -> bool:
    key, operator = expression.get("key"), expression.get("operator")
    values = expression.get("values") or []
    if key == _BUILD_LABEL:
        return operator in ("In", "Exists", "Gt", "Lt")
    if key not in _OS_LABELS:
        return False
    return (operator == "In" and "linux" not in values) or (operator == "NotIn" and "linux" in values)


def _windows_fields(pod: Mapping[str, Any]) -> Iterator[str]:
    """Fields that mean something on Windows only."""
    spec = pod["spec"]
    for owner in (spec, *workload_containers(pod)):
        # its other options say nothing on Linux, and a chart may set them for both
        if ((owner.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess"):
            yield "securityContext.windowsOptions.hostProcess"
    for volume in spec.get("volumes") or []:
        if _WINDOWS_PATH.match((volume.get("hostPath") or {}).get("path") or ""):
            yield f"the path of volume {volume.get('name')}"
    for container in workload_containers(pod):
        for mount in container.get("volumeMounts") or []:
            if _WINDOWS_PATH.match(mount.get("mountPath") or ""):
                yield f"a mount path of container {container.get('name')}"
