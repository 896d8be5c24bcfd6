"""What the Pod's own containers request, and to what they are limited: each, and in all. Pure.

It counts as the API server does: `podRequests` in its plugin LimitRanger, `AggregateContainerRequests` where
the Pod has resources of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from webhook.connector.fields import as_mapping
from webhook.pod.limit_ranges import LimitRange
from webhook.pod.quantities import parse_quantity
from webhook.pod.shape import Json, workload_containers

Kind = Literal["requests", "limits"]


@dataclass(frozen=True, slots=True)
class Amount:
    """Request and limit of one resource. None: neither the author nor a default names any."""

    request: Decimal | None = None
    limit: Decimal | None = None


class PodAmounts:
    """The amounts of a Pod without its sidecar, defaults of LimitRanges included.

    In a cluster the API server has filled these in before it calls a webhook; in a file they are missing.
    """

    def __init__(self, pod: Mapping[str, Any], limit_ranges: Sequence[LimitRange]) -> None:
        self._pod = pod
        self._limit_ranges = limit_ranges
        self._own = as_mapping((pod.get("spec") or {}).get("resources"))

    def has_own(self) -> bool:
        """Whether the Pod itself has resources (KEP-2837). They decide its class, and what it may use."""
        named = {name for kind in ("requests", "limits") for name in self._own.get(kind) or {}}
        return any(name in ("cpu", "memory") or name.startswith("hugepages-") for name in named)

    def own(self, resource: str) -> Amount:
        """What the Pod itself names."""
        return _amount(self._own, resource)

    def containers(self, resource: str) -> Iterator[Amount]:
        """What each container gets, with all defaults."""
        return (self._of(container, resource) for container in workload_containers(self._pod))

    def total(self, resource: str, kind: Kind) -> Decimal | None:
        """What the containers name in all. None if none names any.

        Init containers run one after the other, each beside the sidecars that stand before it.
        """
        spec = self._pod.get("spec") or {}
        running = [self._number(container, resource, kind) for container in spec.get("containers") or []]
        sidecars: list[Decimal | None] = []
        peaks: list[Decimal | None] = []
        for container in _initial(spec):
            number = self._number(container, resource, kind)
            if container.get("restartPolicy") == "Always":
                sidecars.append(number)
                peaks.append(_sum(sidecars))
            else:
                peaks.append(_sum([*sidecars, number]))
        known = [peak for peak in (_sum(running + sidecars), *peaks) if peak is not None]
        return max(known, default=None)

    def _number(self, container: Json, resource: str, kind: Kind) -> Decimal | None:
        amount = self._of(container, resource)
        return amount.request if kind == "requests" else amount.limit

    def _of(self, container: Json, resource: str) -> Amount:
        """A limit is the request, too, where there is none: first the author's, last a LimitRange's."""
        author = _amount(container.get("resources") or {}, resource)
        limit, request = author.limit, author.request
        if request is None:
            request = limit
        for limit_range in self._limit_ranges:
            if limit is None:
                limit = limit_range.container.default.get(resource)
            if request is None:
                request = limit_range.container.default_request.get(resource)
        return Amount(limit if request is None else request, limit)


def _initial(spec: Mapping[str, Any]) -> Iterator[Json]:
    return workload_containers({"spec": {"initContainers": spec.get("initContainers")}})


def _amount(resources: Mapping[str, Any], resource: str) -> Amount:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return Amount(_number_of(requests.get(resource)), _number_of(limits.get(resource)))


def _number_of(value: object) -> Decimal | None:
    return None if value is None else parse_quantity(str(value))


def _sum(numbers: Sequence[Decimal | None]) -> Decimal | None:
    known = [number for number in numbers if number is not None]
    return sum(known, Decimal()) if known else None
