"""A Secret object as a typed value. Its contents stay encoded. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.contract.secret import Secret

_NO_TEXT = "!"
"""Stands for a value that is no text, such as a YAML number without quotes. It is no base64."""


@dataclass(frozen=True, slots=True)
class SecretManifest:
    """A Secret object. Its values are still base64, as in the API, and cannot be printed by accident."""

    name: str
    type: str
    data: Mapping[str, Secret]
    revision: str
    """Changes with the content: uid and resourceVersion, or a digest for a file, which has neither. Only
    digests with the same key can be compared"""


def parse_secret(manifest: Mapping[str, Any], *, digest_key: bytes = b"") -> SecretManifest:
    """Read a Secret. `stringData` wins over `data`, as in the API server.

    A Secret of a file has no resourceVersion and needs a `digest_key` of random bytes.
    """
    metadata = manifest.get("metadata") or {}
    data = {
        key: Secret(value if isinstance(value, str) else _NO_TEXT) for key, value in _items(manifest, "data")
    }
    for key, value in _items(manifest, "stringData"):
        data[key] = Secret(_base64(value) if isinstance(value, str) else _NO_TEXT)
    return SecretManifest(
        name=str(metadata.get("name")),
        type=str(manifest.get("type") or "Opaque"),
        data=data,
        revision=_revision(metadata, data, digest_key),
    )


def _items(manifest: Mapping[str, Any], field_name: str) -> list[tuple[str, object]]:
    value = manifest.get(field_name)
    if not isinstance(value, Mapping):
        return []
    # the API server takes null, which YAML writes as nothing, for an empty text
    return [(str(key), "" if item is None else item) for key, item in value.items()]


def _base64(text: str) -> str:
    # a surrogate, which YAML can escape, fails later, in the decoder: an error here would quote the text
    return base64.b64encode(text.encode(errors="surrogatepass")).decode()


def _revision(metadata: Mapping[str, Any], data: Mapping[str, Secret], digest_key: bytes) -> str:
    """The revision of a Secret. Logs show it; without the key, a digest would let a reader test passwords."""
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and version:
        return f"{uid}.{version}"
    if not digest_key:
        raise ValueError("a Secret without a resourceVersion needs a digest key")
    digest = hmac.new(digest_key, digestmod=hashlib.sha256)
    for key, value in sorted(data.items()):
        for part in (key, value.reveal()):
            digest.update(len(part).to_bytes(8, "big") + part.encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
