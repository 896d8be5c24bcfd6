"""A Connector's status: conditions in, the patch that makes it so out, or nothing if it is so. Pure.

"Typical status properties" in Kubernetes' API conventions says when which time changes.

What others wrote is kept: fields that we do not know, and the conditions of theirs that there is room for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.connector.conditions import (
    AUTH,
    LIVENESS,
    TYPES,
    Condition,
    Probe,
)
from webhook.connector.reasons import ConditionReason

Json = dict[str, Any]

CONDITIONS_LIMIT = 32
"""The kind's maxItems: the API server refuses a status with more, and so all that it says"""
FOREIGN_LIMIT = CONDITIONS_LIMIT - len(TYPES)
"""Conditions that others wrote; more of them would leave no room for each of ours"""
MESSAGE_LENGTH = 1024
"""Arbitrary; a user's own wrong value can be quoted in a message, and each status is kept in every cache"""


@dataclass(frozen=True, slots=True)
class Versions:
    """Of the Secrets that a status speaks of; empty where none is named."""

    secret: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a status is to say."""

    conditions: Sequence[Condition]
    proxy_url: str
    versions: Versions


def status_patch(manifest: Mapping[str, Any], report: Report, now: str) -> Json | None:
    """A merge patch for the status subresource, None where it would change nothing.

    It holds the resourceVersion that it was computed from: a list is replaced as a whole, and what another
    wrote into it meanwhile would be lost. `now` is RFC 3339.
    """
    stored = _mapping(manifest.get("status"))
    generation = _generation(manifest)
    wanted: Json = {
        "observedGeneration": generation,
        "conditions": _merged(stored, report.conditions, generation, now),
        "proxy": {"httpAddress": {"url": report.proxy_url}},
        "observedSecretVersion": report.versions.secret,
        "observedCACertVersion": report.versions.ca,
    }
    if all(_is_said(stored.get(key), value) for key, value in wanted.items()):
        return None
    version = _mapping(manifest.get("metadata")).get("resourceVersion")
    return {"metadata": {"resourceVersion": version}, "status": wanted}


def identity(manifest: Mapping[str, Any]) -> tuple[str, int]:
    """Of one spec: a Connector that was deleted and created again begins at generation 1 too."""
    return str(_mapping(manifest.get("metadata")).get("uid")), _generation(manifest)


def is_current(manifest: Mapping[str, Any]) -> bool:
    """Whether every condition is there and speaks of the spec as it is now."""
    generation = _generation(manifest)
    found = _by_type(_mapping(manifest.get("status")))
    return all(kind in found and found[kind].get("observedGeneration") == generation for kind in TYPES)


def told_versions(manifest: Mapping[str, Any]) -> Versions:
    """The Secrets that the status speaks of."""
    status = _mapping(manifest.get("status"))
    return Versions(
        str(status.get("observedSecretVersion") or ""), str(status.get("observedCACertVersion") or "")
    )


def told_probe(manifest: Mapping[str, Any]) -> Probe | None:
    """What the last look at the registry showed, read back from the conditions; None: there was none."""
    if not is_current(manifest):
        return None
    found = _by_type(_mapping(manifest.get("status")))
    liveness, auth = found[LIVENESS], found[AUTH]
    if liveness.get("reason") == ConditionReason.CONNECTION_FAILED:
        return Probe("unreachable", str(liveness.get("message")))
    if auth.get("reason") == ConditionReason.AUTHENTICATION_FAILED:
        return Probe("refused", str(auth.get("message")))
    if liveness.get("status") == auth.get("status") == "True":
        return Probe("ok", str(liveness.get("message")))
    return None


def condition(manifest: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Empty where there is none."""
    return _by_type(_mapping(manifest.get("status"))).get(kind, {})


def _merged(stored: Mapping[str, Any], ours: Sequence[Condition], generation: int, now: str) -> list[Json]:
    """The first of others stay as and where they are: whoever moved them would be contradicted for ever."""
    merged = _with_room_for_ours(_by_type(stored))
    for one in ours:
        old = merged.get(one.type, {})
        is_same = old.get("status") == one.status and old.get("lastTransitionTime")
        merged[one.type] = {
            "type": one.type,
            "status": one.status,
            "reason": str(one.reason),  # plain text, as in what the API server answers
            "message": one.message[:MESSAGE_LENGTH],
            "lastTransitionTime": old["lastTransitionTime"] if is_same else now,
            "observedGeneration": generation,
        }
    return list(merged.values())


def _with_room_for_ours(stored: Mapping[str, Json]) -> dict[str, Json]:
    foreign = [kind for kind in stored if kind not in TYPES]
    surplus = set(foreign[FOREIGN_LIMIT:])
    return {kind: one for kind, one in stored.items() if kind not in surplus}


def _is_said(stored: object, wanted: object) -> bool:
    """An empty text and an absent one say the same; a field of others beside ours changes nothing."""
    if isinstance(wanted, Mapping):
        return isinstance(stored, Mapping) and all(_is_said(stored.get(k), v) for k, v in wanted.items())
    return stored == wanted or (not stored and not wanted)


def _by_type(status: Mapping[str, Any]) -> dict[str, Json]:
    found = status.get("conditions")
    items = found if isinstance(found, list) else []
    return {str(one.get("type")): one for one in items if isinstance(one, dict)}


def _generation(manifest: Mapping[str, Any]) -> int:
    generation = _mapping(manifest.get("metadata")).get("generation")
    return generation if isinstance(generation, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
