"""What is kept of a Connector while it is attended: what Pods are injected by, and its status. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from webhook import trim
from webhook.controller.conditions import TYPES
from webhook.controller.status import MESSAGE_LENGTH

Json = dict[str, Any]

FOREIGN_BYTES = 2048
"""Of conditions that others wrote, as JSON; the kind lets them write a mebibyte. More is not kept, and the
Connector counts as abridged."""

_FIELDS = ("observedGeneration", "proxy", "observedSecretVersion", "observedCACertVersion")


def attended(manifest: Json) -> Json:
    status = trim.mapping(manifest.get("status"))
    found = trim.connector(manifest)
    # in their order: whoever moved them would be contradicted for ever
    conditions = [_cut(one) for one in status.get("conditions") or [] if isinstance(one, Mapping)]
    foreign = [one for one in conditions if one.get("type") not in TYPES]
    if len(json.dumps(foreign)) > FOREIGN_BYTES:
        found = trim.abridged(found)
        conditions = [one for one in conditions if one.get("type") in TYPES]
    if status:
        fields = {key: status[key] for key in _FIELDS if key in status}
        found["status"] = trim.shared({**fields, "conditions": conditions})
    return found


def _cut(condition: Mapping[str, Any]) -> Json:
    """A message of ours that somebody made longer stays another than ours. Others are not touched."""
    if condition.get("type") not in TYPES:
        return dict(condition)
    return {**condition, "message": str(condition.get("message") or "")[: MESSAGE_LENGTH + 1]}
