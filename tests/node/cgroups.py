"""The control groups of the node's Pods, below one of ours. No namespace removes them at its end."""

import time
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
REMOVE_SECONDS = 10.0  # the processes in them are dead; the kernel lets go of them within milliseconds


def make(name: str) -> None:
    """In each hierarchy of version 1, or in the single hierarchy of version 2."""
    if (ROOT / "cgroup.controllers").exists():
        for controller in (ROOT / "cgroup.controllers").read_text().split():
            with suppress(OSError):  # one that cannot be delegated is one that the kubelet can do without
                (ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
        (ROOT / name).mkdir(exist_ok=True)
        return
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty at first, and then no process may enter
            if (hierarchy / setting).exists():
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())


def remove(name: str) -> None:
    """Retries until the kernel has let go of all groups."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while left := _existing(name):
        for top in left:
            for group in sorted([top, *(path for path in top.rglob("*") if path.is_dir())], reverse=True):
                with suppress(OSError):
                    group.rmdir()
        if time.monotonic() > deadline:
            return  # up makes what is missing and uses what is there
        if _existing(name):
            time.sleep(0.02)


def _existing(name: str) -> list[Path]:
    places = [ROOT, *_hierarchies()]
    return [place / name for place in places if (place / name).is_dir()]


def _hierarchies() -> list[Path]:
    """The hierarchies of version 1, and the single one of version 2, which runc uses beside them."""
    return sorted(
        path
        for path in ROOT.iterdir()
        if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()
    )
