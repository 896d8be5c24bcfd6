"""The properties of a Namespace that decide on its Pods. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook import names
from webhook.connector.fields import as_mapping
from webhook.pod.limit_ranges import LimitRange, parse_limit_range
from webhook.pod.quota_room import Room, rooms


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """Labels, annotations, quotas and LimitRanges of the Namespace that a Pod is created in."""

    labels: Mapping[str, str] = field(default_factory=dict)
    quotas: frozenset[str] = frozenset()
    """Resources that ResourceQuotas bound, such as `limits.cpu`"""
    limit_ranges: tuple[LimitRange, ...] = ()
    rooms: tuple[Room, ...] = ()
    """What the quotas have left, a moment ago"""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_opted_in(self) -> bool:
        return self.labels.get(names.INJECT) == names.OPTED_IN

    @property
    def defaults(self) -> Mapping[str, str]:
        """Annotations that new Pods inherit; none without the label."""
        if not self.is_opted_in:
            return {}
        return {
            name: self.annotations[name] for name in names.NAMESPACE_ANNOTATIONS if name in self.annotations
        }


def namespace_facts(
    labels: Mapping[str, str],
    quotas: Iterable[Mapping[str, Any]] = (),
    limit_ranges: Iterable[Mapping[str, Any]] = (),
    annotations: Mapping[str, str] | None = None,
) -> NamespaceFacts:
    """The facts from the Namespace's objects."""
    quotas = list(quotas)
    bounded = (as_mapping(as_mapping(quota.get("spec")).get("hard")) for quota in quotas)
    resources = frozenset(str(resource) for hard in bounded for resource in hard)
    left = tuple(room for quota in quotas for room in rooms(quota))
    bounds = tuple(map(parse_limit_range, limit_ranges))
    return NamespaceFacts(labels, resources, bounds, left, annotations or {})
