"""What `explain` found out about one Pod: objects as they are, or why they could not be read. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.identifiers import ConnectorKey

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read; the sentence says why, and whom to ask."""

    sentence: str


Object = Json | None | Unread
"""None: it does not exist"""
Objects = Sequence[Json] | Unread


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    name: str
    """The Pod's, or that of the workload whose Pods are asked for"""
    now: datetime
    pod: Json | None
    workload: Json | None = None
    """What was asked for instead of a Pod: a Job, a Deployment, …"""
    owners: Sequence[Json] = ()
    """Of the Pod, nearest first; those that may be read"""
    events: Objects = ()
    """On the Pod"""
    creations: Objects = ()
    """Events of the namespace that tell of a Pod that could not be created"""
    connectors: Mapping[ConnectorKey, Object] = field(default_factory=dict)
    """All that the Pod names"""
    log: Objects = ()
    """The sidecar's lines"""
    registration: Object = None
    """The webhook's MutatingWebhookConfiguration"""
    broker: Object = None
    """Its Deployment"""


def metadata(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = one.get("metadata") or {}
    return found


def annotations(one: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = metadata(one).get("annotations") or {}
    return found


def condition(one: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One of `status.conditions`, empty if there is none of that type."""
    conditions = (one.get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found.get("type") == kind), {})


def parse_log(text: str) -> list[Json]:
    """The JSON lines of a sidecar's log; what is none (a start gate's complaint, a cut line) is left out."""
    found = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def time_of(text: object) -> datetime | None:
    """A Kubernetes time, or one of the sidecar's log (RFC 3339, UTC)."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def last_seen(event: Mapping[str, Any]) -> datetime | None:
    """Of an Event, in any of the three ways in which components write it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time_of(one) for one in times if one), None)


def ago(now: datetime, then: datetime | None) -> str:
    """`12 s ago`; in the one unit that a person would use."""
    if then is None:
        return "at an unknown time"
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit != "d" and seconds >= length):
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
