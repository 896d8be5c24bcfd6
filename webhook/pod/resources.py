"""The sidecar's resources: defaults, the author's wishes, the Pod's QoS class, quotas. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from webhook.pod.quantities import parse_quantity
from webhook.pod.request import Resources
from webhook.pod.shape import workload_containers

CPU_REQUEST = "10m"
MEMORY_REQUEST = "32Mi"
"""The sidecar holds 17 MiB at rest."""
MEMORY_LIMIT = "128Mi"
"""Bodies are streamed, so this is room for threads and buffers at their limits. It also keeps a leak off the
node."""
GUARANTEED_CPU = "100m"
"""Guaranteed demands a CPU limit equal to the request. At 10m a download would be throttled to a crawl."""
QUOTA_CPU = "500m"
"""Where a quota bounds CPU limits, each container must name a limit. Half a core serves 400 MiB/s."""
EPHEMERAL_STORAGE = "16Mi"
"""Where a quota bounds it. The files lie in memory; the log of a Pod's life takes disk."""

DEMANDED_BY_QUOTAS = (
    "limits.cpu",
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
)
"""Resources that a quota can bound, and that the sidecar does not set otherwise"""


def sidecar_resources(
    wishes: Resources, pod: Mapping[str, Any], quotas: Collection[str] = ()
) -> dict[str, dict[str, str]]:
    """Requests and limits. A CPU limit only if the author, a quota or the Guaranteed class demands it."""
    resources = _by_class(wishes, pod)
    if "limits.cpu" in quotas:
        cpu = resources["requests"]["cpu"]
        resources["limits"].setdefault("cpu", cpu if _is_above(cpu, QUOTA_CPU) else QUOTA_CPU)
    for kind in ("requests", "limits"):
        # a quota of requests may be written without its prefix
        demanded = {f"{kind}.ephemeral-storage", *(["ephemeral-storage"] if kind == "requests" else [])}
        if not demanded.isdisjoint(quotas):
            resources[kind]["ephemeral-storage"] = EPHEMERAL_STORAGE
    return resources


def _by_class(wishes: Resources, pod: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    if _is_guaranteed(pod):
        cpu = wishes.cpu_limit or wishes.cpu_request or GUARANTEED_CPU
        memory = wishes.memory_limit or wishes.memory_request or MEMORY_LIMIT
        limits = {"cpu": cpu, "memory": memory}
        requests = {"cpu": wishes.cpu_request or cpu, "memory": wishes.memory_request or memory}
        return {"requests": requests, "limits": limits}
    cpu = wishes.cpu_request or _lower(CPU_REQUEST, wishes.cpu_limit)
    memory = wishes.memory_request or _lower(MEMORY_REQUEST, wishes.memory_limit)
    limits = {"memory": wishes.memory_limit or _higher(MEMORY_LIMIT, memory)}
    if wishes.cpu_limit:
        limits = {"cpu": wishes.cpu_limit, **limits}
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": limits}


def _is_guaranteed(pod: Mapping[str, Any]) -> bool:
    """The API server's rule: every container limits CPU and memory, and requests the same or nothing.

    Pod-level resources (KEP-2837) decide alone, and then the sidecar needs no limits of its own.
    """
    if (pod.get("spec") or {}).get("resources"):
        return False
    workload = list(workload_containers(pod))
    return bool(workload) and all(_is_container_guaranteed(container) for container in workload)


def _is_container_guaranteed(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for resource in ("cpu", "memory"):
        limit = parse_quantity(str(limits.get(resource, "")))
        if not limit or parse_quantity(str(requests.get(resource, limits[resource]))) != limit:
            return False
    return True


def _lower(default: str, limit: str | None) -> str:
    return limit if limit and _is_above(default, limit) else default


def _higher(default: str, request: str) -> str:
    return request if _is_above(request, default) else default


def _is_above(quantity: str, reference: str) -> bool:
    return (parse_quantity(quantity) or 0) > (parse_quantity(reference) or 0)
