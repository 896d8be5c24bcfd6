"""Client configuration, written into the folder that the workload reads."""

import os
from collections.abc import Mapping
from pathlib import Path

_MODE = 0o644  # the workload runs as whatever user it likes; nothing secret stands in these files


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write each file atomically (rename(2)), so that a client never reads half of one.

    A file that a single-file mount already holds keeps its content there: such mounts follow the inode, so
    an equal file is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        target = folder / name
        body = text.encode()
        try:
            if target.read_bytes() == body:
                continue
        except OSError:
            pass
        fresh = folder / f".{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        try:
            os.fchmod(descriptor, _MODE)  # whatever the umask is
            os.write(descriptor, body)
        finally:
            os.close(descriptor)
        fresh.rename(target)
