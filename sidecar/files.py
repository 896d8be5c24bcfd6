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
        with open(fresh, "wb") as stream:  # noqa: PTH123 (its fileno is needed)
            os.fchmod(stream.fileno(), _MODE)  # whatever the umask is
            stream.write(body)
        fresh.rename(target)
