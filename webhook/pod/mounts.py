"""The configuration files in a workload's container: our mounts, and the user's that are in their way.
Pure."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sidecar.contract.words import CONFIG_DIR
from webhook import names

_OUR_PATHS = frozenset({CONFIG_DIR, *names.SYSTEM_FILES.values()})


def with_mounts(present: Sequence[Mapping[str, Any]], files: Iterable[str]) -> tuple[list[Any], list[str]]:
    """The container's `volumeMounts` with ours, and the system paths that were left to the user's own mounts.

    `files` are those that the sidecar writes: a subPath that does not exist would become a folder, silently.
    """
    wanted = {CONFIG_DIR: {"name": names.CONFIG_VOLUME, "mountPath": CONFIG_DIR, "readOnly": True}}
    skipped = []
    for name, path in names.SYSTEM_FILES.items():
        if name not in files:
            continue
        if any(covers(one, path) for one in present if not is_ours(one)):
            skipped.append(path)
            continue
        wanted[path] = {"name": names.CONFIG_VOLUME, "mountPath": path, "subPath": name, "readOnly": True}
    kept = [
        wanted.pop(one["mountPath"], None) if is_ours(one) else one for one in present
    ]  # a stale or second one of ours becomes None
    return [one for one in kept if one is not None] + list(wanted.values()), skipped


def without_mounts(present: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [one for one in present if not is_ours(one)]


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
