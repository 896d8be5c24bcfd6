"""The machine of a run: a folder in memory, free ports, and a clean environment."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEEDED = 3 * 1024**3  # a file of 1 GiB, wheels, installed packages, and room


class MachineLacks(Exception):
    """Something that the benchmark needs is missing; the text says how to get it."""


def find_uv() -> str:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        raise MachineLacks("uv is not in this environment; `make bench` sets it up")
    return str(uv)


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The variables of a process, without PIP_*, SSL_CERT_FILE or PYTHON* of the machine."""
    return {"PATH": SEARCHED, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **more}


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder, in memory if there is room, so that no disk is measured. It is removed afterwards."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() and os.access(memory, os.W_OK) and _free(memory) > _NEEDED else None
    folder = Path(tempfile.mkdtemp(prefix="pypi-connector-bench-", dir=parent))
    try:
        if _free(folder) < _NEEDED:
            raise MachineLacks(f"{folder.parent} has less than 3 GiB free; set TMPDIR to a place that has")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert isinstance(port, int)
    return port


def describe_machine() -> str:
    """The machine in a line, for the table: figures are worth nothing without it."""
    return f"{os.cpu_count()} cores ({_processor()}), Linux {os.uname().release}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
