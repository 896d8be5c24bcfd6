"""Sizes of the images, read from the archives that were loaded into the node."""

import json
import subprocess
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cluster import CHECKOUT
from benchmarks.cluster.bench import Bench, say
from benchmarks.cluster.tables import Table, number

_IMAGES = {
    "sidecar": "pypi-connector-sidecar",
    "webhook": "pypi-connector-webhook (admission, broker)",
    "python": "python:3.13-slim, for comparison",
}
_PIECE = 1024 * 1024


def measure(_: Bench) -> Table:
    say("images")
    build = ["bash", str(CHECKOUT / "tests" / "node" / "images" / "build.sh"), *_IMAGES]
    printed = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [
        (_IMAGES[name], *(number(size / 1024**2, 1) for size in sizes(Path(archive))))
        for name, archive in zip(_IMAGES, printed.splitlines(), strict=True)
    ]
    return Table("Images", ("image", "compressed, MiB", "unpacked, MiB"), rows)


def sizes(archive: Path) -> tuple[int, int]:
    """Bytes of all layers of an OCI archive: as a registry stores them, and unpacked as a tar."""
    with tarfile.open(archive) as tar:
        (manifest,) = _document(tar, "index.json")["manifests"]
        layers: Sequence[Mapping[str, str]] = _document(tar, _blob(manifest["digest"]))["layers"]
        pairs = [_layer_sizes(tar, layer) for layer in layers]
    return sum(stored for stored, _ in pairs), sum(unpacked for _, unpacked in pairs)


def _layer_sizes(tar: tarfile.TarFile, layer: Mapping[str, str]) -> tuple[int, int]:
    assert layer["mediaType"].endswith("+gzip"), f"{layer['mediaType']} is no type of a pushed layer"
    blob = tar.extractfile(_blob(layer["digest"]))
    assert blob is not None
    unpacker = zlib.decompressobj(wbits=31)  # gzip
    stored = unpacked = 0
    while piece := blob.read(_PIECE):
        stored += len(piece)
        unpacked += len(unpacker.decompress(piece))
    return stored, unpacked


def _document(tar: tarfile.TarFile, name: str) -> Mapping[str, list[Mapping[str, str]]]:
    file = tar.extractfile(name)
    assert file is not None
    document = json.load(file)
    assert isinstance(document, dict)
    return document


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
