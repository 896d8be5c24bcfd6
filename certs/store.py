"""Stores certificates: in a Secret manifest, or as files in a directory."""

import base64
import binascii
import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from certs.authority import ServingFiles, load_pair
from certs.bundle import split_bundle
from certs.errors import UnusablePair

BUNDLE = "ca.crt"
CERTIFICATE = "tls.crt"
KEY = "tls.key"
"""The names of a Secret of type kubernetes.io/tls: a mounted Secret and a directory look the same."""

KEYS = (BUNDLE, CERTIFICATE, KEY)

SECRET_TYPE = "kubernetes.io/tls"  # noqa: S105 (a type)


def to_secret(files: ServingFiles, *, name: str, namespace: str) -> dict[str, Any]:
    return with_texts(None, texts_of(files), name=name, namespace=namespace)


def texts_of(files: ServingFiles) -> dict[str, str]:
    return {BUNDLE: files.bundle, CERTIFICATE: files.certificate, KEY: files.key}


def with_texts(
    manifest: Mapping[str, Any] | None,
    texts: Mapping[str, str],
    *,
    name: str,
    namespace: str,
    without: Iterable[str] = (),
) -> dict[str, Any]:
    """A Secret of these texts: the existing `manifest` with the rest of its content, or a new Secret.

    Keys in `without` are removed.
    """
    secret = dict(manifest or _new(name, namespace))
    data = {key: value for key, value in (secret.get("data") or {}).items() if key not in set(without)}
    secret["data"] = data | {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return secret


def read_texts(manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """The entries of a Secret that are text. Unlike `from_secret`, it skips damaged entries."""
    texts = {}
    for key, value in ((manifest or {}).get("data") or {}).items():
        with contextlib.suppress(binascii.Error, ValueError, TypeError):
            texts[key] = base64.b64decode(value, validate=True).decode("ascii")
    return texts


def _new(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": SECRET_TYPE,
    }


def from_secret(manifest: Mapping[str, Any]) -> ServingFiles:
    """Read a manifest, or raise `UnusablePair`. No cause is chained: it could quote the key."""
    name = (manifest.get("metadata") or {}).get("name")
    if manifest.get("type") != SECRET_TYPE:
        raise UnusablePair(f"secret {name!r} is not of type {SECRET_TYPE}")
    data = manifest.get("data") or {}
    texts = []
    for key in (BUNDLE, CERTIFICATE, KEY):
        if key not in data:
            raise UnusablePair(f"secret {name!r} has no key {key!r}")
        try:
            texts.append(base64.b64decode(data[key], validate=True).decode("ascii"))
        except (binascii.Error, ValueError, TypeError):
            raise UnusablePair(f"secret {name!r}: {key} is not base64 of PEM") from None
    return _checked(ServingFiles(*texts))


def write_files(directory: Path, files: ServingFiles) -> None:
    """Write the three files, each whole or not at all.

    A reader between two writes sees a pair that does not match; `certs.reload` then keeps the old pair.
    """
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / KEY, files.key, mode=0o600)
    replace_file(directory / CERTIFICATE, files.certificate, mode=0o644)
    replace_file(directory / BUNDLE, files.bundle, mode=0o644)


def read_files(directory: Path) -> ServingFiles:
    texts = []
    for name in (BUNDLE, CERTIFICATE, KEY):
        try:
            texts.append((directory / name).read_text("ascii"))
        except OSError as error:
            raise UnusablePair(f"{directory / name} cannot be read: {error.strerror}") from error
        except ValueError:
            raise UnusablePair(f"{directory / name} is not PEM") from None
    return _checked(ServingFiles(*texts))


def replace_file(path: Path, text: str, *, mode: int) -> None:
    """Replace the content in one step. The file has its mode from the first byte on."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _checked(files: ServingFiles) -> ServingFiles:
    load_pair(files)
    if not split_bundle(files.bundle):
        raise UnusablePair(f"{BUNDLE} holds no certificate")
    return files
