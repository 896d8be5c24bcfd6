"""Client configuration, written into the folders that the workload reads.

A container that may write into such a folder could put a link or a pipe there: none is followed.
"""

import os
from collections.abc import Mapping
from contextlib import suppress

_MODE = 0o644  # the workload may run as any user, and no secret stands in these files


def write_files(folder: str | os.PathLike[str], files: Mapping[str, str]) -> None:
    """Write each file atomically (rename(2)), so that no client reads half a file.

    An equal file stays: a single-file mount of it follows the inode, and would not see a new file.
    """
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        target = os.path.join(folder, name)
        body = text.encode()
        if _holds(target, body):
            continue
        fresh = os.path.join(folder, f".{name}.new")
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as stream:
            os.fchmod(stream.fileno(), _MODE)  # whatever the umask is
            stream.write(body)
        os.rename(fresh, target)


def _holds(path: str, body: bytes) -> bool:
    try:
        # O_NONBLOCK: opening a pipe would wait for its writer
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return stream.read(len(body) + 1) == body
    except OSError:
        return False
