"""Virtual environments with pinned programs, made once per lock file and kept outside the checkout."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
            install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)]
            subprocess.run([folder / "bin" / "python", *install], check=True)
            (folder / ".ready").touch()
    return folder


def clean(**variables: str) -> dict[str, str]:
    """An environment with nothing of this machine's in it that bends a client."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
