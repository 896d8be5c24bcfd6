"""The status that a Connector should have, and the patch that writes it. Pure.

"Typical status properties" in Kubernetes' API conventions defines when each time changes.

Other writers keep their unknown fields, and as many of their conditions as there is room for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.cluster.trim import Json
from webhook.connector.conditions import TYPES, Condition
from webhook.connector.fields import as_mapping
from webhook.status.reported import Versions, by_type, generation_of, is_stored

CONDITIONS_LIMIT = 32
"""The kind's maxItems: the API server refuses a whole status that has more conditions"""
FOREIGN_LIMIT = CONDITIONS_LIMIT - len(TYPES)
"""Conditions of other writers; more of them would leave no room for each of ours"""
MESSAGE_LIMIT = 1024
"""Characters; arbitrary. A message may quote a user's wrong value, and every cache stores each status"""


@dataclass(frozen=True, slots=True)
class Report:
    """A status without generation and times."""

    conditions: Sequence[Condition]
    proxy_url: str
    versions: Versions


def status_patch(manifest: Mapping[str, Any], report: Report, now: str) -> Json | None:
    """A merge patch for the status subresource, or None if it would change nothing.

    It holds the resourceVersion that it was computed from. A merge patch replaces a list as a whole, so it
    would remove conditions that another writer added meanwhile. `now` is RFC 3339.
    """
    stored = as_mapping(manifest.get("status"))
    generation = generation_of(manifest)
    status: Json = {
        "observedGeneration": generation,
        "conditions": _merged(stored, report.conditions, generation, now),
        "proxy": {"httpAddress": {"url": report.proxy_url}},
        "observedSecretVersion": report.versions.secret,
        "observedCACertVersion": report.versions.ca,
    }
    if all(is_stored(stored.get(key), value) for key, value in status.items()):
        return None
    version = as_mapping(manifest.get("metadata")).get("resourceVersion")
    return {"metadata": {"resourceVersion": version}, "status": status}


def _merged(stored: Mapping[str, Any], ours: Sequence[Condition], generation: int, now: str) -> list[Json]:
    """The conditions of others keep their order: another writer might restore it, again and again."""
    merged = _with_room_for_ours(by_type(stored))
    for condition in ours:
        old = merged.get(condition.type, {})
        is_same = old.get("status") == condition.status and old.get("lastTransitionTime")
        merged[condition.type] = {
            "type": condition.type,
            "status": condition.status,
            "reason": str(condition.reason),  # plain text, as in what the API server answers
            "message": condition.message[:MESSAGE_LIMIT],
            "lastTransitionTime": old["lastTransitionTime"] if is_same else now,
            "observedGeneration": generation,
        }
    return list(merged.values())


def _with_room_for_ours(stored: Mapping[str, Json]) -> dict[str, Json]:
    foreign = [kind for kind in stored if kind not in TYPES]
    surplus = set(foreign[FOREIGN_LIMIT:])
    return {kind: condition for kind, condition in stored.items() if kind not in surplus}
