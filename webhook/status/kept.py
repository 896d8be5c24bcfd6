"""An attended Connector in memory: the spec that injection needs, and the status. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from webhook.cluster import trim
from webhook.connector.conditions import TYPES
from webhook.status.patch import MESSAGE_LENGTH

Json = dict[str, Any]

FOREIGN_BYTES = 2048
"""Bytes of JSON for conditions that others wrote; the kind allows a mebibyte. Beyond the limit they are
dropped, and the Connector counts as abridged."""

_FIELDS = ("observedGeneration", "proxy", "observedSecretVersion", "observedCACertVersion")


def attended(manifest: Json) -> Json:
    status = trim.mapping(manifest.get("status"))
    attended_manifest = trim.connector(manifest)
    # in their order: to change it would contradict another writer for ever
    conditions = [_cut(item) for item in status.get("conditions") or [] if isinstance(item, Mapping)]
    foreign = [condition for condition in conditions if condition.get("type") not in TYPES]
    if len(json.dumps(foreign)) > FOREIGN_BYTES:
        attended_manifest = trim.abridged(attended_manifest)
        conditions = [condition for condition in conditions if condition.get("type") in TYPES]
    if status:
        fields = {key: status[key] for key in _FIELDS if key in status}
        attended_manifest["status"] = trim.shared({**fields, "conditions": conditions})
    return attended_manifest


def _cut(condition: Mapping[str, Any]) -> Json:
    """Cut the message of a condition of ours, but leave it longer than we write: a change still shows."""
    if condition.get("type") not in TYPES:
        return dict(condition)
    return {**condition, "message": str(condition.get("message") or "")[: MESSAGE_LENGTH + 1]}
