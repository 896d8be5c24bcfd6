"""Objects of the API server, cut down to the fields that this product reads. Pure.

An author chooses an object's annotations, labels and more, up to 1.5 MiB in all, and a cache holds thousands
of objects. So each object is cut down before it is stored, and before the next object is read.
"""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from webhook import names
from webhook.pod.resources import DEMANDED_BY_QUOTAS

Json = dict[str, Any]
Trim = Callable[[Json], Json]

KEPT_SPEC_BYTES = 8192
"""Bytes of a Connector's spec, as JSON. A usual spec has 300; with a list of packages (4 KiB at most), 5 KiB.
A larger spec is not stored but read when it is needed (`is_abridged`): ten thousand of them must fit too."""

_ABRIDGED = "abridged"
_METADATA = ("namespace", "name", "uid", "resourceVersion", "generation", "deletionTimestamp")
_SHORT = 64
"""Characters of a text that many objects may share: a class, a status, a reason"""
_OURS = names.GROUP + "/"


def whole(manifest: Json) -> Json:
    return manifest


def presence(manifest: Json) -> Json:
    """Name, version and no content."""
    return {"metadata": _metadata(manifest)}


def connector(manifest: Json) -> Json:
    """The spec, which injection needs. A large spec is left out, and `is_abridged` says so."""
    spec = manifest.get("spec")
    if len(json.dumps(spec)) > KEPT_SPEC_BYTES:
        return abridged(presence(manifest))
    return {**presence(manifest), "spec": shared(spec)}


def without_texts(manifest: Json) -> Json:
    """Spec and status unchanged, without annotations, labels and managedFields."""
    return {**presence(manifest), "spec": manifest.get("spec"), "status": manifest.get("status")}


def namespace(manifest: Json) -> Json:
    """The labels that decide on a Pod."""
    trimmed = presence(manifest)
    labels = mapping(mapping(manifest.get("metadata")).get("labels"))
    trimmed["metadata"]["labels"] = _only(labels, (names.ALLOW_UNCONFINED,))
    return trimmed


def quota(manifest: Json) -> Json:
    """The bounded resources that a sidecar has to name."""
    hard = mapping(mapping(manifest.get("spec")).get("hard"))
    return {**presence(manifest), "spec": {"hard": _only(hard, DEMANDED_BY_QUOTAS)}}


def secret(manifest: Json) -> Json:
    """Credential and CA; the Secret's other keys are not read."""
    return {
        **presence(manifest),
        "type": manifest.get("type"),
        "data": _only(mapping(manifest.get("data")), names.SECRET_KEYS),
    }


def pod(manifest: Json) -> Json:
    """All fields that can break the promise: the whole spec, unknown fields too."""
    trimmed = presence(manifest)
    for kind in ("annotations", "labels"):
        texts = mapping(mapping(manifest.get("metadata")).get(kind))
        trimmed["metadata"][kind] = {key: text for key, text in texts.items() if key.startswith(_OURS)}
    phase = mapping(manifest.get("status")).get("phase")
    return {**trimmed, "spec": manifest.get("spec"), "status": {"phase": phase}}


def abridged(manifest: Json) -> Json:
    return {**manifest, _ABRIDGED: True}


def is_abridged(manifest: Mapping[str, Any]) -> bool:
    """Whether a part is missing here, and the object itself must be read for it."""
    return _ABRIDGED in manifest


def shared(value: Any) -> Any:
    """An equal value, in which keys and short texts that many objects share are stored once."""
    if isinstance(value, dict):
        return {sys.intern(key): shared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shared(item) for item in value]
    return sys.intern(value) if isinstance(value, str) and len(value) <= _SHORT else value


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _metadata(manifest: Json) -> Json:
    metadata = mapping(manifest.get("metadata"))
    return {key: shared(metadata[key]) for key in _METADATA if key in metadata}


def _only(values: Mapping[str, Any], keys: Collection[str]) -> Json:
    return {key: value for key, value in values.items() if key in keys}
