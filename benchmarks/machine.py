"""What the machine lends: Debian's nginx and wrk, a folder in memory, free ports, and no environment."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk"}
"""Program → the Debian package that has it"""
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEEDED = 3 * 1024**3  # a file of 1 GiB, wheels, installed packages, and room


class MachineLacks(Exception):
    """Something that the benchmark cannot do without; the text says how to get it."""


def find_programs() -> dict[str, str]:
    """Program → path; root gets what is missing from Debian, others are told how to."""
    if missing := _missing():
        packages = [PACKAGES[name] for name in missing]
        advice = f"apt-get install --no-install-recommends {' '.join(packages)}"
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise MachineLacks(f"{' and '.join(missing)} not found; as root: {advice}")
        _install(packages)
        if _missing():
            raise MachineLacks(f"apt-get could not install it; try: apt-get update && {advice}")
    return {name: str(shutil.which(name, path=_SEARCHED)) for name in PACKAGES}


def find_uv() -> str:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        raise MachineLacks("uv is not in this environment; `make bench` sets it up")
    return str(uv)


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """For every process: nothing of PIP_*, SSL_CERT_FILE or PYTHON* that the machine may have set."""
    return {"PATH": _SEARCHED, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **more}


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder, in memory where there is room, so that no disk is measured; removed afterwards."""
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
    """A port that nobody had a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert isinstance(port, int)
    return port


def describe(nginx: str) -> str:
    """One line for the table: figures are worth nothing without it."""
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr.strip()
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"{describe_machine()}, Python {python}, {version.removeprefix('nginx version: ')}"


def describe_machine() -> str:
    return f"{os.cpu_count()} cores ({_processor()}), Linux {os.uname().release}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _missing() -> list[str]:
    return [name for name in PACKAGES if shutil.which(name, path=_SEARCHED) is None]


def _install(packages: list[str]) -> None:
    print(f"Installing {' '.join(packages)} (Debian packages)", file=sys.stderr)
    # RUNLEVEL 1 keeps the package from starting a server of its own
    environment = {"PATH": _SEARCHED, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LANG": "C.UTF-8"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=False)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
