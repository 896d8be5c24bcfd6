"""The properties of a Namespace that decide on its Pods. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """Labels and quotas of the Namespace that a Pod is created in."""

    labels: Mapping[str, str] = field(default_factory=dict)
    quotas: frozenset[str] = frozenset()
    """Resources that ResourceQuotas bound, such as `limits.cpu`"""
