"""The sidecar's resources: defaults, the author's wishes, quality of service class, quotas. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from webhook import names
from webhook.pod import shape
from webhook.pod.quantities import parse_quantity
from webhook.pod.request import Resources

CPU_REQUEST = "10m"
MEMORY_REQUEST = "32Mi"
"""It holds 17 MiB at rest."""
MEMORY_LIMIT = "128Mi"
"""Bodies are streamed, so this is for threads and buffers at their bound; it also keeps a leak off the
node."""
GUARANTEED_CPU = "100m"
"""Guaranteed demands a CPU limit, equal to the request: at 10m a download would be throttled to a crawl."""
QUOTA_CPU = "500m"
"""Where a quota bounds CPU limits, every container must name one: half a core serves 400 MiB/s."""
EPHEMERAL_STORAGE = "16Mi"
"""Of a quota that bounds it. The files lie in memory; the log of a Pod's life is what takes disk."""

DEMANDED_BY_QUOTAS = (
    "limits.cpu",
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
)
"""Resources that a quota can bound and that the sidecar does not set by itself"""


def sidecar_resources(
    wishes: Resources, pod: Mapping[str, Any], quotas: Collection[str] = ()
) -> dict[str, dict[str, str]]:
    """Requests and limits. No CPU limit unless wished for, or a quota or the Guaranteed class demands one."""
    found = _by_class(wishes, pod)
    if "limits.cpu" in quotas:
        cpu = found["requests"]["cpu"]
        found["limits"].setdefault("cpu", cpu if _is_above(cpu, QUOTA_CPU) else QUOTA_CPU)
    for kind in ("requests", "limits"):
        # a quota of requests may be written without its prefix
        demanded = {f"{kind}.ephemeral-storage", *(["ephemeral-storage"] if kind == "requests" else [])}
        if not demanded.isdisjoint(quotas):
            found[kind]["ephemeral-storage"] = EPHEMERAL_STORAGE
    return found


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
    """As the API server computes it: every container limits CPU and memory, and requests the same (or
    nothing).

    With Pod-level resources (KEP-2837) they alone decide, and the sidecar needs no limits of its own.
    """
    if (pod.get("spec") or {}).get("resources"):
        return False
    own = [one for one in shape.containers(pod) if one.get("name") != names.SIDECAR]
    return bool(own) and all(_is_container_guaranteed(container) for container in own)


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


def _is_above(one: str, other: str) -> bool:
    return (parse_quantity(one) or 0) > (parse_quantity(other) or 0)
