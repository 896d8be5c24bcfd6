"""Objects of the API server, cut down to what this product reads of them. Pure.

An author chooses an object's annotations, labels and more, up to 1.5 MiB of it, and a cache keeps thousands.
So each object is cut down before it is kept, and the next one read after that.
"""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from webhook import names
from webhook.resources import DEMANDED_BY_QUOTAS

Json = dict[str, Any]
Trim = Callable[[Json], Json]

KEPT_SPEC_BYTES = 8192
"""Of a Connector's spec, as JSON. A usual one has 300; with a list of packages (4 KiB at most), 5 KiB.
A larger spec is not kept but read when it is needed (`is_abridged`): ten thousand of them must fit too."""

_ABRIDGED = "abridged"
_METADATA = ("namespace", "name", "uid", "resourceVersion", "generation", "deletionTimestamp")
_SHORT = 64
"""Characters of a text that may be one of many alike: a class, a status, a reason"""
_OURS = names.GROUP + "/"


def whole(manifest: Json) -> Json:
    return manifest


def presence(manifest: Json) -> Json:
    """That it exists, and which version of it."""
    return {"metadata": _metadata(manifest)}


def connector(manifest: Json) -> Json:
    """What Pods are injected by. A large spec is left out, and `is_abridged` says so."""
    spec = manifest.get("spec")
    if len(json.dumps(spec)) > KEPT_SPEC_BYTES:
        return abridged(presence(manifest))
    return {**presence(manifest), "spec": shared(spec)}


def without_texts(manifest: Json) -> Json:
    """Spec and status as they are, without annotations, labels and who wrote what."""
    return {**presence(manifest), "spec": manifest.get("spec"), "status": manifest.get("status")}


def namespace(manifest: Json) -> Json:
    """The labels that decide on a Pod."""
    found = presence(manifest)
    labels = mapping(mapping(manifest.get("metadata")).get("labels"))
    found["metadata"]["labels"] = _only(labels, (names.ALLOW_UNCONFINED,))
    return found


def quota(manifest: Json) -> Json:
    """The resources that it bounds, as far as a sidecar has to name them."""
    hard = mapping(mapping(manifest.get("spec")).get("hard"))
    return {**presence(manifest), "spec": {"hard": _only(hard, DEMANDED_BY_QUOTAS)}}


def secret(manifest: Json) -> Json:
    """Credential and CA; what else lies in the Secret is nobody's business here."""
    return {
        **presence(manifest),
        "type": manifest.get("type"),
        "data": _only(mapping(manifest.get("data")), names.SECRET_KEYS),
    }


def pod(manifest: Json) -> Json:
    """Everything that can break the promise: the whole spec, whatever fields it has."""
    found = presence(manifest)
    for kind in ("annotations", "labels"):
        texts = mapping(mapping(manifest.get("metadata")).get(kind))
        found["metadata"][kind] = {key: text for key, text in texts.items() if key.startswith(_OURS)}
    phase = mapping(manifest.get("status")).get("phase")
    return {**found, "spec": manifest.get("spec"), "status": {"phase": phase}}


def abridged(manifest: Json) -> Json:
    return {**manifest, _ABRIDGED: True}


def is_abridged(manifest: Mapping[str, Any]) -> bool:
    """Whether the object itself must be read for what is missing here."""
    return _ABRIDGED in manifest


def shared(value: Any) -> Any:
    """The same, with keys and short texts that thousands of objects have in common held once."""
    if isinstance(value, dict):
        return {sys.intern(key): shared(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shared(one) for one in value]
    return sys.intern(value) if isinstance(value, str) and len(value) <= _SHORT else value


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _metadata(manifest: Json) -> Json:
    metadata = mapping(manifest.get("metadata"))
    return {key: shared(metadata[key]) for key in _METADATA if key in metadata}


def _only(values: Mapping[str, Any], keys: Collection[str]) -> Json:
    return {key: one for key, one in values.items() if key in keys}
