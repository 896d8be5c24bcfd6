"""Client configuration, written into the folder that the workload reads."""

import os
from collections.abc import Mapping

_MODE = 0o644  # the workload may run as any user, and no secret stands in these files


def write_files(folder: str | os.PathLike[str], files: Mapping[str, str]) -> None:
    """Write each file atomically (rename(2)), so that no client reads half a file.

    An equal file stays: a single-file mount of it follows the inode, and would not see a new file.
    """
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        target = os.path.join(folder, name)
        body = text.encode()
        try:
            with open(target, "rb") as stream:
                if stream.read() == body:
                    continue
        except OSError:
            pass
        fresh = os.path.join(folder, f".{name}.new")
        with open(fresh, "wb") as stream:
            os.fchmod(stream.fileno(), _MODE)  # whatever the umask is
            stream.write(body)
        os.rename(fresh, target)
