"""Virtual environments with pinned programs, made once per lock file and kept outside the checkout."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.checkout import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pypi-connector"


def environment(lock: str) -> Path:
    """The folder of an environment that holds `requirements/<lock>.txt`; made if it is not there."""
    requirements = ROOT / "requirements" / f"{lock}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "environments" / f"{lock}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{lock}.lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            # the lock is whole; pip itself would look for a newer one of what a client names with an extra
            install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            subprocess.run([folder / "bin" / "python", *install, "-r", requirements], check=True)
            (folder / ".ready").touch()
    return folder


def wheels(lock: str) -> Path:
    """A folder with the wheels of `requirements/<lock>.txt`, for a registry to serve; fetched once."""
    requirements = ROOT / "requirements" / f"{lock}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "wheels" / f"{lock}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{lock}.lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            download = ["-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
            where = ["--only-binary", ":all:", "--dest", folder]
            subprocess.run([sys.executable, *download, *where, "-r", requirements], check=True)
            (folder / ".ready").touch()
    return folder


def clean(**variables: str) -> dict[str, str]:
    """An environment without this machine's variables, which would bend a client."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
