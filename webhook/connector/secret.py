"""A Secret object as a typed value, its contents still encoded. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.contract.secret import Secret

_NO_TEXT = "!"
"""Stands for a value that is no text (in YAML, a number without quotes): no base64 begins so."""


@dataclass(frozen=True, slots=True)
class SecretManifest:
    """A Secret object. Its values are still base64, as in the API, and secret already."""

    name: str
    type: str
    data: Mapping[str, Secret]
    revision: str
    """Changes with the content: uid and resourceVersion, or a digest where a file has neither"""


def parse_secret(manifest: Mapping[str, Any], *, digest_key: bytes = b"") -> SecretManifest:
    """Read a Secret; `stringData` wins over `data`, as the API server merges them.

    `digest_key`, random octets, is needed for a Secret of a file, which has no resourceVersion.
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
    return [(str(key), one) for key, one in value.items()] if isinstance(value, Mapping) else []


def _base64(text: str) -> str:
    # surrogates, which a manifest can escape, fail where the text is decoded: an error here would quote it
    return base64.b64encode(text.encode(errors="surrogatepass")).decode()


def _revision(metadata: Mapping[str, Any], data: Mapping[str, Secret], digest_key: bytes) -> str:
    """A revision stands in logs. The key keeps the digest from being a means of trying passwords."""
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
