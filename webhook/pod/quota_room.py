"""Room that a namespace's quotas have left, and warnings where the sidecar's part is too much for it. Pure.

The API server's message on an exhausted quota gives sums and does not mention the sidecar. Usage changes with
each Pod, so this only warns: the API server decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from webhook.connector.fields import as_mapping
from webhook.pod.amounts import Kind, PodAmounts
from webhook.pod.limit_ranges import LimitRange
from webhook.pod.quantities import format_quantity, parse_quantity

COUNTED: Mapping[str, tuple[Kind, str]] = {
    **{
        f"{kind}.{name}": (kind, name)
        for kind in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral-storage")
    },
    **{name: ("requests", name) for name in ("cpu", "memory", "ephemeral-storage")},
}
"""Resources of a quota that the sidecar adds to; requests also go without their prefix"""


@dataclass(frozen=True, slots=True)
class Room:
    """What one quota has left of one resource."""

    quota: str
    resource: str
    left: Decimal


def rooms(quota: Mapping[str, Any]) -> Iterator[Room]:
    """None of a quota with scopes, which may be for other Pods."""
    spec, status = as_mapping(quota.get("spec")), as_mapping(quota.get("status"))
    if spec.get("scopes") or spec.get("scopeSelector"):
        return
    name = str(as_mapping(quota.get("metadata")).get("name"))
    used = as_mapping(status.get("used"))
    for resource, text in as_mapping(status.get("hard")).items():
        hard, taken = parse_quantity(str(text)), parse_quantity(str(used.get(resource)))
        if resource in COUNTED and hard is not None and taken is not None:
            yield Room(name, resource, hard - taken)


def room_warnings(
    places: Sequence[Room],
    sidecar: Mapping[str, Mapping[str, str]],
    pod: Mapping[str, Any],
    limit_ranges: Sequence[LimitRange],
) -> Iterator[str]:
    """A warning for each quota that the Pod would fit without its sidecar."""
    amounts = PodAmounts(pod, limit_ranges)
    for place in places:
        kind, resource = COUNTED[place.resource]
        own = amounts.own(resource)
        is_own = (own.request if kind == "requests" else own.limit) is not None
        added = parse_quantity(sidecar.get(kind, {}).get(resource, ""))
        total = amounts.total(resource, kind) or Decimal()
        if added and not is_own and total <= place.left < total + added:
            left, more = (format_quantity(resource, number) for number in (place.left - total, added))
            yield (
                f"ResourceQuota {place.quota} leaves {left} of {place.resource} beside the Pod's containers, "
                f"and the sidecar takes {more}: free some, or raise the quota"
            )
