"""The facts about one Pod: objects as they are, or why they could not be read. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.identifiers import ConnectorKey

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """An object that could not be read. The sentence says why, and which administrator to ask."""

    sentence: str


Object = Json | None | Unread
"""None: it does not exist"""
Objects = Sequence[Json] | Unread


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    name: str
    """Of the Pod, or of the workload if the user named a workload"""
    now: datetime
    pod: Json | None
    workload: Json | None = None
    """The Job, Deployment, … that the user named instead of a Pod"""
    owners: Sequence[Json] = ()
    """Of the Pod, nearest first, as far as they may be read"""
    events: Objects = ()
    """On the Pod"""
    creations: Objects = ()
    """Events of the namespace about Pods that could not be created"""
    connectors: Mapping[ConnectorKey, Object] = field(default_factory=dict)
    """All Connectors that the Pod names"""
    log: Objects = ()
    """The sidecar's lines"""
    registration: Object = None
    """The webhook's MutatingWebhookConfiguration"""
    registrations: Objects = ()
    """Those of all webhooks"""
    broker: Object = None
    """Its Deployment"""
    namespace_object: Object = None
    """The Namespace, which may ask for its Pods"""


def metadata(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = manifest.get("metadata") or {}
    return fields


def annotations(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    values: Mapping[str, str] = metadata(manifest).get("annotations") or {}
    return values


def condition(manifest: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The entry of that type in `status.conditions`, or an empty mapping."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def parse_log(text: str) -> list[Json]:
    """The JSON lines of a sidecar's log. Skips other lines: of the start gate, or cut at the end."""
    entries = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def time_of(text: object) -> datetime | None:
    """Parse a time of Kubernetes or of the sidecar's log (RFC 3339, UTC)."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def last_seen(event: Mapping[str, Any]) -> datetime | None:
    """An Event's newest time. Components write it into three different fields."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time_of(time) for time in times if time), None)


def ago(now: datetime, then: datetime | None) -> str:
    """Such as `12 s ago`, in the unit that a person would use."""
    if then is None:
        return "at an unknown time"
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit != "d" and seconds >= length):
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
