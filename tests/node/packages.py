"""The operating system's programs for the node, from PATH or from Debian packages."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from node.problems import Broken, Missing

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""Programs and the Debian package of each"""

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
"""Debian's, and everybody else's"""
CNI_PLUGINS = ("bridge", "host-local", "loopback")
CNI_PACKAGE = "containernetworking-plugins"


def cni_programs() -> Path | None:
    """The folder that holds the network plugins."""
    return next((f for f in CNI_FOLDERS if all((f / plugin).exists() for plugin in CNI_PLUGINS)), None)


def wanting() -> list[str]:
    """The missing packages."""
    packages = {package for program, package in PACKAGES.items() if _which(program) is None}
    return sorted(packages | ({CNI_PACKAGE} if cni_programs() is None else set()))


def install(say: Callable[[str], None]) -> None:
    """Installs the missing packages. Without a service manager, that starts nothing."""
    packages = wanting()
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"these packages are not installed: {' '.join(packages)}")
    say(f"installing Debian packages: {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        result = subprocess.run(
            ["apt-get", "--quiet=2", *command], env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise Broken(f"apt-get {command[0]} failed: {result.stderr.strip()}")
    if wanting():
        raise Broken(f"installed, and still not found: {' '.join(wanting())}")


def _which(program: str) -> str | None:
    """Also searches folders that are not on an ordinary user's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
