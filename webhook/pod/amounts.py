"""Requests and limits of the Pod's own containers: of each, and in all. Pure.

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


def first(*numbers: Decimal | None) -> Decimal | None:
    """The first number that there is. None if there is none."""
    return next((number for number in numbers if number is not None), None)


class PodAmounts:
    """The amounts of a Pod without its sidecar, defaults of LimitRanges included.

    In a cluster the API server has filled these in before it calls a webhook; in a file they are missing.
    """

    def __init__(self, pod: Mapping[str, Any], limit_ranges: Sequence[LimitRange]) -> None:
        spec = as_mapping(pod.get("spec"))
        self._running = list(workload_containers({"spec": {"containers": spec.get("containers")}}))
        self._initial = list(workload_containers({"spec": {"initContainers": spec.get("initContainers")}}))
        self._own = as_mapping(spec.get("resources"))
        self._limit_ranges = limit_ranges
        self._defaults: dict[str, Amount] = {}
        self._totals: dict[tuple[str, Kind], Decimal | None] = {}

    def has_own(self) -> bool:
        """Whether the Pod itself has resources (KEP-2837). They decide its class, and what it may use."""
        named = {name for kind in ("requests", "limits") for name in self._own.get(kind) or {}}
        return any(name in ("cpu", "memory") or name.startswith("hugepages-") for name in named)

    def own(self, resource: str) -> Amount:
        """What the Pod itself names."""
        return _amount(self._own, resource)

    def containers(self, resource: str) -> Iterator[Amount]:
        """What each container gets, with all defaults."""
        return (self._of(container, resource) for container in (*self._initial, *self._running))

    def total(self, resource: str, kind: Kind) -> Decimal | None:
        """What the containers name in all. None if none names any."""
        key = resource, kind
        if key not in self._totals:
            self._totals[key] = self._sum(resource, kind)
        return self._totals[key]

    def _sum(self, resource: str, kind: Kind) -> Decimal | None:
        """Init containers run one after the other, each beside the sidecars that stand before it."""
        sidecars: Decimal | None = None
        peaks: list[Decimal | None] = []
        for container in self._initial:
            number = self._number(container, resource, kind)
            peaks.append(_sum([sidecars, number]))
            if container.get("restartPolicy") == "Always":
                sidecars = _sum([sidecars, number])
        running = [self._number(container, resource, kind) for container in self._running]
        peaks.append(_sum([sidecars, *running]))
        return max((peak for peak in peaks if peak is not None), default=None)

    def _number(self, container: Json, resource: str, kind: Kind) -> Decimal | None:
        amount = self._of(container, resource)
        return amount.request if kind == "requests" else amount.limit

    def _of(self, container: Json, resource: str) -> Amount:
        """A limit is the request, too, where there is none: first the author's, last a LimitRange's."""
        author, default = _amount(container.get("resources") or {}, resource), self._default(resource)
        limit = first(author.limit, default.limit)
        return Amount(first(author.request, author.limit, default.request, limit), limit)

    def _default(self, resource: str) -> Amount:
        """The first LimitRange that has one decides. Their order is not defined."""
        if resource not in self._defaults:
            of_containers = [limit_range.container for limit_range in self._limit_ranges]
            self._defaults[resource] = Amount(
                first(*(limits.default_request.get(resource) for limits in of_containers)),
                first(*(limits.default.get(resource) for limits in of_containers)),
            )
        return self._defaults[resource]


def _amount(resources: Mapping[str, Any], resource: str) -> Amount:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return Amount(_number_of(requests.get(resource)), _number_of(limits.get(resource)))


def _number_of(value: object) -> Decimal | None:
    return None if value is None else parse_quantity(str(value))


def _sum(numbers: Sequence[Decimal | None]) -> Decimal | None:
    known = [number for number in numbers if number is not None]
    return sum(known, Decimal()) if known else None
