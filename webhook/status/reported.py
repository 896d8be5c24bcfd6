"""A Connector's status, read back from its manifest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.cluster.trim import Json
from webhook.connector.conditions import AUTH, LIVENESS, TYPES, Probe
from webhook.connector.fields import as_mapping
from webhook.connector.reasons import ConditionReason


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the Secrets that a status is based on; empty if the Connector names none."""

    secret: str = ""
    ca: str = ""


def identity(manifest: Mapping[str, Any]) -> tuple[str, int]:
    """Of a spec. The generation alone is not enough: a Connector that is created again begins at 1 too."""
    return str(as_mapping(manifest.get("metadata")).get("uid")), generation_of(manifest)


def generation_of(manifest: Mapping[str, Any]) -> int:
    generation = as_mapping(manifest.get("metadata")).get("generation")
    return generation if isinstance(generation, int) else 0


def condition(manifest: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of this type, or an empty mapping."""
    return by_type(as_mapping(manifest.get("status"))).get(kind, {})


def by_type(status: Mapping[str, Any]) -> dict[str, Json]:
    """The conditions of a status by their type."""
    conditions = status.get("conditions")
    items = conditions if isinstance(conditions, list) else []
    return {str(item.get("type")): item for item in items if isinstance(item, dict)}


def is_current(manifest: Mapping[str, Any]) -> bool:
    """Whether every condition exists and describes the present spec."""
    generation = generation_of(manifest)
    conditions = by_type(as_mapping(manifest.get("status")))
    return all(
        kind in conditions and conditions[kind].get("observedGeneration") == generation for kind in TYPES
    )


def reported_versions(manifest: Mapping[str, Any]) -> Versions:
    status = as_mapping(manifest.get("status"))
    return Versions(
        str(status.get("observedSecretVersion") or ""), str(status.get("observedCACertVersion") or "")
    )


def reported_probe(manifest: Mapping[str, Any]) -> Probe | None:
    """The last probe of the present spec's registry, or None if the conditions show none."""
    if not is_current(manifest):
        return None
    conditions = by_type(as_mapping(manifest.get("status")))
    liveness, auth = conditions[LIVENESS], conditions[AUTH]
    if liveness.get("reason") == ConditionReason.CONNECTION_FAILED:
        return Probe("unreachable", str(liveness.get("message")))
    if liveness.get("reason") == ConditionReason.NOT_AN_INDEX:
        return Probe("foreign", str(liveness.get("message")))
    if auth.get("reason") == ConditionReason.AUTHENTICATION_FAILED:
        return Probe("refused", str(auth.get("message")))
    if liveness.get("status") == auth.get("status") == "True":
        return Probe("ok", str(liveness.get("message")))
    return None


def is_stored(stored: object, value: object) -> bool:
    """Whether a write would change nothing. An empty text equals an absent one; extra fields are ignored."""
    if isinstance(value, Mapping):
        return isinstance(stored, Mapping) and all(is_stored(stored.get(k), v) for k, v in value.items())
    return stored == value or (not stored and not value)
