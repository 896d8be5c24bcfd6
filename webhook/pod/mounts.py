"""The mounts of our configuration files in a container, beside the user's own mounts. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sidecar.contract.words import CONFIG_DIR
from webhook import names

_OUR_PATHS = frozenset({CONFIG_DIR, *names.SYSTEM_FILES.values()})


def with_mounts(present: Sequence[Mapping[str, Any]], files: Iterable[str]) -> tuple[list[Any], list[str]]:
    """The container's `volumeMounts` with ours, and the system paths that the user's own mounts cover.

    `files` are the files that the sidecar writes. A subPath that does not exist would become a folder.
    """
    missing = {CONFIG_DIR: {"name": names.CONFIG_VOLUME, "mountPath": CONFIG_DIR, "readOnly": True}}
    skipped = []
    for name, path in names.SYSTEM_FILES.items():
        if name not in files:
            continue
        if any(covers(mount, path) for mount in present if not is_ours(mount)):
            skipped.append(path)
            continue
        missing[path] = {"name": names.CONFIG_VOLUME, "mountPath": path, "subPath": name, "readOnly": True}
    replaced = [
        missing.pop(mount["mountPath"], None) if is_ours(mount) else mount for mount in present
    ]  # a stale or second mount of ours becomes None
    return [mount for mount in replaced if mount is not None] + list(missing.values()), skipped


def without_mounts(present: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [mount for mount in present if not is_ours(mount)]


def is_ours(mount: Mapping[str, Any]) -> bool:
    return mount.get("name") == names.CONFIG_VOLUME and mount.get("mountPath") in _OUR_PATHS


def covers(mount: Mapping[str, Any], path: str) -> bool:
    """Whether the mount lies at the path, or above it."""
    return PurePosixPath(path).is_relative_to(_normal(mount))


def lies_in(mount: Mapping[str, Any], folder: str) -> bool:
    """Whether the mount lies at the folder, or below it."""
    return _normal(mount).is_relative_to(folder)


def _normal(mount: Mapping[str, Any]) -> PurePosixPath:
    """PurePosixPath drops `//`, `/./` and a final slash; the API server refuses `..`."""
    return PurePosixPath("/", str(mount.get("mountPath")).lstrip("/"))
