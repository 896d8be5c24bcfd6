"""The measured node, seen from outside through /proc; `tests/node` brings it up and takes it down.

A program inside shares only the network of the node, but has the files and processes of the machine. So a
process belongs to the node if it has this network, and to a container by its cgroup.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.cluster import CHECKOUT
from benchmarks.machine import describe_machine
from support.kubernetes.kube import Kube

NAME = os.environ.get("NODE", "bench")
_INSIDE = "PYPI_CONNECTOR_NODE"
"""`python -m node run` sets this variable"""


def is_inside() -> bool:
    return _INSIDE in os.environ


def run_inside(arguments: Sequence[str]) -> int:
    """Run this program once more, on a node of its own."""
    program = [sys.executable, "-m", "node", f"--node={NAME}"]
    again = ["run", "--", sys.executable, "-m", "benchmarks.cluster", *arguments]
    try:
        for command in (["down"], ["up"]):  # the rest of another run would be measured too
            if code := subprocess.run([*program, *command], check=False).returncode:
                return code
        return subprocess.run([*program, *again], cwd=CHECKOUT, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        subprocess.run([*program, "down"], check=False)


def process(program: str) -> int:
    """The process id, as seen from outside, of a component of the node: kubelet, kube-apiserver, …"""
    own_network = _network("self")
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ends in the meantime
            is_inside = entry.name.isdigit() and _network(entry.name) == own_network
            if is_inside and Path(_arguments(entry.name)[0]).name == program:
                return int(entry.name)
    raise LookupError(f"no {program} runs on this node")


def container_processes(container_id: str) -> list[int]:
    """The process ids of a container; `container_id` as in the status of its Pod."""
    wanted = container_id.rpartition("/")[2]
    pids = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and wanted in (entry / "cgroup").read_text():
                pids.append(int(entry.name))
    if not pids:
        raise LookupError(f"container {wanted} has no process")
    return pids


def cgroup_memory(pid: int) -> int:
    """Bytes that the kernel charges to the process's cgroup, page cache included; cgroup v1 or v2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return int(Path(f"/sys/fs/cgroup/memory{path}/memory.usage_in_bytes").read_text())
        if controllers == "" and Path(f"/sys/fs/cgroup{path}/memory.current").exists():
            return int(Path(f"/sys/fs/cgroup{path}/memory.current").read_text())
    raise LookupError(f"process {pid} is in no memory cgroup")


def pod_file(pod_uid: str, volume: str, name: str) -> str:
    """A file of a Pod's projected volume. Only the kubelet's own mounts show it."""
    folder = f"/proc/{process('kubelet')}/root/var/lib/kubelet/pods/{pod_uid}/volumes"
    return Path(folder, "kubernetes.io~projected", volume, name).read_text()


def describe(kube: Kube) -> str:
    """The node in a line, below the tables: figures are worth nothing without it."""
    info = kube.list("nodes")[0]["status"]["nodeInfo"]
    runtime = info["containerRuntimeVersion"].replace("://", " ")
    return f"{describe_machine()}, Kubernetes {info['kubeletVersion']}, {runtime}"


def _network(pid: str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _arguments(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
