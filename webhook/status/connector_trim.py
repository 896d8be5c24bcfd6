"""A Connector as the controller's cache stores it: the spec that injection needs, and the status. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from webhook.cluster import trim
from webhook.cluster.trim import Json
from webhook.connector.conditions import TYPES
from webhook.connector.fields import as_mapping
from webhook.status.report import MESSAGE_LIMIT

FOREIGN_BYTES_LIMIT = 2048
"""Bytes of JSON for the conditions of other writers; the kind allows a mebibyte. Above the limit they are
dropped, and the Connector is marked as abridged."""

_FIELDS = ("observedGeneration", "proxy", "observedSecretVersion", "observedCACertVersion")


def spec_and_status(manifest: Json) -> Json:
    """Trims a Connector: `webhook.cluster.trim.Trim`."""
    status = as_mapping(manifest.get("status"))
    trimmed = trim.connector(manifest)
    # in their order: another writer might restore it, again and again
    conditions = [_cut(item) for item in status.get("conditions") or [] if isinstance(item, Mapping)]
    foreign = [condition for condition in conditions if condition.get("type") not in TYPES]
    if len(json.dumps(foreign)) > FOREIGN_BYTES_LIMIT:
        trimmed = trim.abridged(trimmed)
        conditions = [condition for condition in conditions if condition.get("type") in TYPES]
    if status:
        fields = {key: status[key] for key in _FIELDS if key in status}
        trimmed["status"] = trim.shared({**fields, "conditions": conditions})
    return trimmed


def _cut(condition: Mapping[str, Any]) -> Json:
    """Cut the message of a condition of ours, but leave it longer than we write: a change still shows."""
    if condition.get("type") not in TYPES:
        return dict(condition)
    return {**condition, "message": str(condition.get("message") or "")[: MESSAGE_LIMIT + 1]}
