"""A node's folders and numbers, and the way into it: shared by its supervisor and its users.

A node is one process id namespace with mounts and a network of its own. Its first process is the supervisor;
when that ends, the kernel ends all others and takes mounts, interfaces and rules with them.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from node.binaries import COREDNS, KUBERNETES
from node.components import Component, ControlPlane
from node.places import CACHE
from node.problems import Broken

ADDRESS = "10.244.0.1"
"""Of the node, on the bridge that is also the Pods' gateway; nobody outside of its network sees it"""
POD_NETWORK = "10.244.0.0/24"
DEFAULT = "node"
"""Its name where nobody gives another"""
TESTED = "e2e"
"""The same for one that is brought up for one run of the tests"""
PAUSE_IMAGE = "localhost/pypi-connector-pause:own"


@dataclass(frozen=True, slots=True)
class Node:
    """A node; several may exist, each by its name."""

    name: str = DEFAULT

    @property
    def run(self) -> Path:
        """The folder that dies with the node: certificates, mounted folders, the database."""
        return CACHE / "nodes" / self.name / "run"

    @property
    def log(self) -> Path:
        """One file per component; kept until the node is brought up again, to be read after a failure."""
        return CACHE / "nodes" / self.name / "log"

    @property
    def state(self) -> Path:
        """The folder that stays: the image store, so that images are unpacked once."""
        return CACHE / "nodes" / self.name / "state"

    @property
    def cgroup(self) -> str:
        """The whole machine shares this name, so it also distinguishes nodes of other caches."""
        return f"pypi-connector-{self.name}-{hashlib.sha256(bytes(self.run)).hexdigest()[:6]}"

    @property
    def plane(self) -> ControlPlane:
        return ControlPlane(KUBERNETES.folder, self.run, ADDRESS, 6443, 2379, 2380)

    @property
    def kubeconfig(self) -> Path:
        return self.run / "admin.conf"

    @property
    def supervisor(self) -> int | None:
        """Its process id as seen from outside, or None when the node is down."""
        try:
            pid = int((self.run / "pid").read_text())
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return pid

    def is_ready(self) -> bool:
        return self.supervisor is not None and (self.run / "ready").exists()

    def coredns(self) -> Component:
        return Component("coredns", (str(COREDNS.binary), "-conf", str(self.run / "Corefile")))

    def entering(self, *command: str, namespaces: str = "net") -> list[str]:
        """The command, run inside: in the network alone, or with `all` among its mounts and processes too."""
        pid = self.supervisor
        if pid is None:
            raise Broken("the node is down: bring it up with `make cluster-up`")
        options = {"net": ["--net"], "all": ["--net", "--mount", "--pid", "--uts", "--ipc"]}[namespaces]
        return ["nsenter", f"--target={pid}", *options, "--", *command]

    def environment(self) -> dict[str, str]:
        """The environment inside: the cluster's kubectl first, and no variable that leads it elsewhere."""
        proxies = {"http_proxy", "https_proxy", "all_proxy"}
        inherited = {key: value for key, value in os.environ.items() if key.lower() not in proxies}
        path = f"{KUBERNETES.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        cache = str(self.run / "kubectl-cache")  # another run's cluster has the same address
        ours = {"KUBECONFIG": str(self.kubeconfig), "PATH": path, "KUBECACHEDIR": cache}
        return inherited | ours | {"PYPI_CONNECTOR_NODE": self.name}
