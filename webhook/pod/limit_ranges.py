"""A LimitRange as numbers: what it demands of the containers of a namespace, and of its Pods. Pure.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from webhook.connector.fields import as_mapping
from webhook.pod.quantities import parse_quantity

Amounts = Mapping[str, Decimal]
"""By resource: cores of `cpu`, bytes of the others"""

FIELDS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
TYPES = ("Container", "Pod")
"""The third, PersistentVolumeClaim, says nothing about Pods."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one type."""

    minimum: Amounts = field(default_factory=dict)
    """Of requests and limits; it demands a request"""
    maximum: Amounts = field(default_factory=dict)
    """Of requests and limits; it demands a limit"""
    ratio: Amounts = field(default_factory=dict)
    """Limit to request at most; it demands both"""
    default: Amounts = field(default_factory=dict)
    """Limit of a container that has none"""
    default_request: Amounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitRange:
    """What one object says."""

    name: str
    container: Limits = field(default_factory=Limits)
    pod: Limits = field(default_factory=Limits)


def parse_limit_range(manifest: Mapping[str, Any]) -> LimitRange:
    """What cannot be read is left out: the API server takes no such object."""
    items = as_mapping(manifest.get("spec")).get("limits")
    by_type: dict[str, Limits] = {}
    for item in items if isinstance(items, list) else []:
        of_item = as_mapping(item)
        if of_item.get("type") in TYPES:
            by_type.setdefault(of_item["type"], _limits(of_item))
    name = str(as_mapping(manifest.get("metadata")).get("name"))
    return LimitRange(name, by_type.get("Container", Limits()), by_type.get("Pod", Limits()))


def _limits(item: Mapping[str, Any]) -> Limits:
    """With the defaults that the API server adds for containers (`SetDefaults_LimitRangeItem`)."""
    minimum, maximum, default, default_request, ratio = (_amounts(item.get(key)) for key in FIELDS)
    if item["type"] == "Container":
        default = {**maximum, **default}
        default_request = {**minimum, **default, **default_request}
    return Limits(minimum, maximum, ratio, default, default_request)


def _amounts(values: object) -> Amounts:
    parsed = {str(name): parse_quantity(str(text)) for name, text in as_mapping(values).items()}
    return {name: amount for name, amount in parsed.items() if amount is not None}
