"""The objects in manifests/, as files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from support.checkout import MANIFESTS

Manifest = dict[str, Any]


def files() -> list[Path]:
    return sorted(MANIFESTS.rglob("*.yaml"))


def documents(path: Path) -> Iterator[Manifest]:
    yield from (one for one in yaml.safe_load_all(path.read_text()) if one)


ALL = [
    one
    for path in files()
    if path.parent.name != "examples" and path.name != "settings.yaml"
    for one in documents(path)
]


def find(kind: str, name: str) -> Manifest:
    found = [one for one in ALL if one["kind"] == kind and one.get("metadata", {}).get("name") == name]
    assert len(found) == 1, f"{kind} {name}"
    return found[0]


def container(manifest: Manifest) -> Manifest:
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only
