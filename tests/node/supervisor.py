"""The first process of a node: makes its mounts and its network, starts its components, keeps them alive.

Runs as `python -m node.supervisor NAME` in fresh mount, process id, network, host name, IPC namespaces. What
ends is started again after a second, as the kubelet or systemd does on a real node; `held/NAME` in the folder
of the run holds a component down.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from node.binaries import PAUSE
from node.components import Component, with_node
from node.images import pause_archive
from node.layout import ADDRESS, PAUSE_IMAGE, Node

BACK_OFF_SECONDS = 1.0  # long enough not to spin, short enough that a test need not wait
START_SECONDS = 180.0  # takes 8 s; a machine under load may be many times slower

MACHINE_WIDE_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""The kubelet insists on its values of these, and no namespace holds them"""


def main(name: str) -> None:
    node = Node(name)
    supervisor = Supervisor(node)
    make_mounts(node)
    make_network()
    plane = node.plane
    containerd = Component("containerd", ("containerd", "--config", str(node.run / "containerd.toml")))
    for component in (containerd, plane.etcd(), plane.api_server(*with_node(node.run / "pki"))):
        supervisor.start(component)
    kubectl = [str(plane.programs / "kubectl"), f"--kubeconfig={node.kubeconfig}"]
    supervisor.wait_for("the API server", lambda: succeeds([*kubectl, "get", "--raw=/readyz"]))
    supervisor.start(plane.controller_manager("--bind-address=127.0.0.1"))
    supervisor.start(plane.scheduler())
    supervisor.wait_for("containerd", lambda: succeeds(["ctr", "version"]))
    forget_containers()
    load_pause_image()
    supervisor.start(plane.kubelet())
    supervisor.start(plane.kube_proxy())
    subprocess.run([*kubectl, "apply", f"--filename={node.run / 'coredns.yaml'}"], check=True)
    supervisor.start(node.coredns())
    ready = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    supervisor.wait_for("the kubelet", lambda: output([*kubectl, "get", "node", "node", ready]) == "True")
    account = [*kubectl, "get", "serviceaccount", "default", "--namespace=default"]
    supervisor.wait_for("the default ServiceAccount", lambda: succeeds(account))
    (node.run / "ready").touch()
    supervisor.reap_for_ever()


class Supervisor:
    """Starts components, and starts them again."""

    def __init__(self, node: Node) -> None:
        self._logs = node.log
        self._pids = node.run / "pids"
        self._held = node.run / "held"
        self._running: dict[int, Component] = {}
        for folder in (self._logs, self._pids, self._held):
            folder.mkdir(exist_ok=True)

    def start(self, component: Component) -> None:
        with (self._logs / f"{component.name}.log").open("ab") as log:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ]
            program, *_ = component.command
            pid = os.posix_spawnp(program, component.command, os.environ, file_actions=actions, setsid=True)
        self._running[pid] = component
        (self._pids / component.name).write_text(str(pid))

    def wait_for(self, what: str, is_there: Callable[[], bool]) -> None:
        """Ends the node when a component ends or time is over: a failed start is not a slow one."""
        deadline = time.monotonic() + START_SECONDS
        while not is_there():
            for pid, component in self._running.items():
                if os.waitpid(pid, os.WNOHANG) != (0, 0):
                    sys.exit(
                        f"{component.name} ended while the node waited for {what}: see {component.name}.log"
                    )
            if time.monotonic() > deadline:
                sys.exit(f"{what} did not answer within {START_SECONDS:g} s")
            time.sleep(0.1)

    def reap_for_ever(self) -> None:
        """Every orphan of the node ends up here, as with any first process."""
        due: dict[str, tuple[float, Component]] = {}
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            component = self._running.pop(pid, None)
            if component is not None:
                log(f"{component.name} ended with status {status}")
                due[component.name] = (time.monotonic() + BACK_OFF_SECONDS, component)
            for name, (when, waiting) in list(due.items()):
                if time.monotonic() >= when and not (self._held / name).exists():
                    del due[name]
                    log(f"{name} is started again")
                    self.start(waiting)
            if pid == 0:
                time.sleep(0.1)


def make_mounts(node: Node) -> None:
    mount(
        "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"
    )  # sockets, network namespaces, address leases, locks
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    for place in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"):
        ours = node.run / place.strip("/").replace("/", "-")
        ours.mkdir()
        Path(place).mkdir(parents=True, exist_ok=True)
        mount("--bind", str(ours), place)
    for setting in MACHINE_WIDE_SETTINGS:
        # The kubelet reads and writes a copy; the machine keeps its own values, however this node ends.
        real = Path("/proc/sys", setting)
        if real.exists():
            copy = Path("/run", setting.replace("/", "-"))
            copy.write_text(real.read_text())
            mount("--bind", str(copy), str(real))


def make_network() -> None:
    ip("link", "set", "lo", "up")
    ip("link", "add", "cni0", "type", "bridge")
    ip("address", "add", f"{ADDRESS}/24", "dev", "cni0")
    ip("link", "set", "cni0", "up")
    # Without a route the API server cannot reach a ClusterIP: routes are decided before addresses change.
    ip("route", "add", "default", "dev", "cni0", "src", ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not bridged.exists():
        subprocess.run(["modprobe", "br_netfilter"], check=False)
    bridged.write_text(
        "1"
    )  # or a Pod's connection to a Service that leads back to this node is not translated


def forget_containers() -> None:
    """Forget the last run's containers: the image store stays, and containerd would restore them."""
    for kind in ("tasks", "containers"):
        for name in ctr(kind, "list", "--quiet").split():
            ctr(kind, "delete", name)
    for line in ctr("snapshots", "list").splitlines()[1:]:
        name, *_, state = line.split()
        if state == "Active":
            ctr("snapshots", "remove", name)


def load_pause_image() -> None:
    if PAUSE_IMAGE not in ctr("images", "list", "--quiet").split():
        archive = pause_archive(PAUSE.binary, PAUSE_IMAGE, Path("/run/pause.tar"))
        ctr("images", "import", str(archive))


def ctr(*arguments: str) -> str:
    command = ["ctr", "--namespace=k8s.io", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def log(sentence: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # As the first process of its namespace it gets no signal that it does not handle; it must end by these.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    main(sys.argv[1])
