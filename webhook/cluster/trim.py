"""Objects of the API server, trimmed to the fields that this product reads. Pure.

An object's author chooses its annotations, labels and more, up to 1.5 MiB in all, and a cache holds thousands
of objects. So each object is trimmed before it is stored, and before the next object is parsed.
"""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from webhook import names
from webhook.connector.fields import as_mapping
from webhook.pod.limit_ranges import FIELDS, TYPES
from webhook.pod.quota_room import COUNTED
from webhook.pod.resources import AMOUNTS, DEMANDED_BY_QUOTAS

Json = dict[str, Any]
"""An object of the API server"""
Trim = Callable[[Json], Json]

SPEC_BYTES_LIMIT = 8192
"""Bytes of a Connector's spec, as JSON. A usual spec has 300; with a list of packages (4 KiB at most), 5 KiB.
A larger spec is not stored, but read when it is needed (`is_abridged`): ten thousand of them must fit too."""

DEFAULTS_LIMIT = 4096
"""Characters of a Namespace's annotations for its Pods: usually some dozens. More are not stored."""

OTHERS_LIMIT = 2
"""Resources per field of a LimitRange that a sidecar cannot have. A refusal names them."""

_ABRIDGED = "abridged"
_METADATA = ("namespace", "name", "uid", "resourceVersion", "generation", "deletionTimestamp")
_SHARED_TEXT_LIMIT = 64
"""Characters of a text that is stored once for all objects: a class, a status, a reason"""
_OURS = names.GROUP + "/"


def whole(manifest: Json) -> Json:
    return manifest


def presence(manifest: Json) -> Json:
    """Name and version only."""
    return {"metadata": _metadata(manifest)}


def connector(manifest: Json) -> Json:
    """The spec, for injection. A large spec is left out; then `is_abridged` is true."""
    spec = manifest.get("spec")
    if len(json.dumps(spec)) > SPEC_BYTES_LIMIT:
        return abridged(presence(manifest))
    return {**presence(manifest), "spec": shared(spec)}


def without_texts(manifest: Json) -> Json:
    """Spec and status unchanged, without annotations, labels and managedFields."""
    return {**presence(manifest), "spec": manifest.get("spec"), "status": manifest.get("status")}


def connector_class(manifest: Json) -> Json:
    """Spec and status. Only administrators of the cluster write classes."""
    return {**presence(manifest), "spec": manifest.get("spec"), "status": manifest.get("status")}


def namespace(manifest: Json) -> Json:
    """The labels that decide whether a Pod is injected, and an opted-in Namespace's defaults for its Pods.

    Large defaults are left out; then `is_abridged` is true."""
    trimmed = presence(manifest)
    metadata = as_mapping(manifest.get("metadata"))
    labels = _only(as_mapping(metadata.get("labels")), (names.ALLOW_UNCONFINED, names.INJECT))
    trimmed["metadata"]["labels"] = shared(labels)
    if labels.get(names.INJECT) != names.OPTED_IN:
        return trimmed
    defaults = _only(as_mapping(metadata.get("annotations")), names.NAMESPACE_ANNOTATIONS)
    if sum(len(str(text)) for text in defaults.values()) > DEFAULTS_LIMIT:
        return abridged(trimmed)
    trimmed["metadata"]["annotations"] = shared(defaults)
    return trimmed


def quota(manifest: Json) -> Json:
    """The resources for which the quota forces a sidecar to name limits, and what is left of those that a
    sidecar takes. A quota with scopes may be for other Pods: nothing is said of what it has left."""
    spec, status = as_mapping(manifest.get("spec")), as_mapping(manifest.get("status"))
    trimmed = {
        **presence(manifest),
        "spec": {"hard": shared(_only(as_mapping(spec.get("hard")), DEMANDED_BY_QUOTAS))},
    }
    if spec.get("scopes") or spec.get("scopeSelector"):
        return trimmed
    usage = {field: shared(_only(as_mapping(status.get(field)), COUNTED)) for field in ("hard", "used")}
    return {**trimmed, "status": usage} if usage["hard"] else trimmed


def limit_range(manifest: Json) -> Json:
    """The amounts that bind a sidecar. Of others, devices and the like, a few: one is enough to refuse."""
    limits = as_mapping(manifest.get("spec")).get("limits")
    items = [as_mapping(item) for item in limits] if isinstance(limits, list) else []
    bounding = [_limits(item) for item in items if item.get("type") in TYPES]
    return {**presence(manifest), "spec": {"limits": bounding[: len(TYPES)]}}


def _limits(item: Mapping[str, Any]) -> Json:
    fields = {field: as_mapping(item.get(field)) for field in FIELDS if item.get(field)}
    ours = {field: _only(values, AMOUNTS) for field, values in fields.items()}
    others = {
        field: dict(
            sorted((name, value) for name, value in values.items() if name not in AMOUNTS)[:OTHERS_LIMIT]
        )
        for field, values in fields.items()
    }
    amounts = {field: shared({**others[field], **ours[field]}) for field in fields}
    return {"type": item["type"], **{sys.intern(field): values for field, values in amounts.items()}}


def secret(manifest: Json) -> Json:
    """Credential and CA, without the Secret's other keys."""
    return {
        **presence(manifest),
        "type": manifest.get("type"),
        "data": _only(as_mapping(manifest.get("data")), names.SECRET_KEYS),
    }


def pod(manifest: Json) -> Json:
    """All fields that the isolation rules check: the whole spec, unknown fields too."""
    trimmed = presence(manifest)
    for kind in ("annotations", "labels"):
        texts = as_mapping(as_mapping(manifest.get("metadata")).get(kind))
        trimmed["metadata"][kind] = {key: text for key, text in texts.items() if key.startswith(_OURS)}
    phase = as_mapping(manifest.get("status")).get("phase")
    return {**trimmed, "spec": manifest.get("spec"), "status": {"phase": phase}}


def abridged(manifest: Json) -> Json:
    return {**manifest, _ABRIDGED: True}


def is_abridged(manifest: Mapping[str, Any]) -> bool:
    """Whether a part is missing. To see it, read the object from the API server."""
    return _ABRIDGED in manifest


def shared(value: Any) -> Any:
    """An equal value, whose keys and short texts are stored once for all objects."""
    if isinstance(value, dict):
        return {sys.intern(key): shared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shared(item) for item in value]
    return sys.intern(value) if isinstance(value, str) and len(value) <= _SHARED_TEXT_LIMIT else value


def _metadata(manifest: Json) -> Json:
    metadata = as_mapping(manifest.get("metadata"))
    return {key: shared(metadata[key]) for key in _METADATA if key in metadata}


def _only(values: Mapping[str, Any], keys: Collection[str]) -> Json:
    return {key: value for key, value in values.items() if key in keys}
