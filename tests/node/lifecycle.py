"""A node from start to end: brought up, kept, taken down without leftovers.

Outside of the node's namespaces one process stays, its keeper: it waits for the supervisor's end, in whatever
way, and removes what no namespace holds (cgroups, files). `down` only ends the supervisor.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template

from node import binaries, cgroups, identities, packages
from node.layout import ADDRESS, PAUSE_IMAGE, POD_NETWORK, Node
from node.places import HERE
from node.problems import Broken, Missing

UNSHARE = ("--mount", "--propagation=private", "--pid", "--mount-proc", "--net", "--uts", "--ipc")
DOWN_SECONDS = 30.0  # takes less than one
UP_SECONDS = 300.0  # the supervisor gives up earlier, and says why


def missing() -> str | None:
    """The reason why this machine can have no node, or None."""
    if os.geteuid() != 0:
        return "a node needs root: run as root, or set KUBECONFIG to a cluster of your own (docs/cluster.md)"
    wanting = packages.wanting()
    if wanting and shutil.which("apt-get") is None:
        return f"a node needs these packages (Debian's names): {' '.join(wanting)}"
    return binaries.missing()


def up(node: Node, say: Callable[[str], None]) -> None:
    """Idempotent."""
    if (reason := missing()) is not None:
        raise Missing(reason)
    packages.install(say)
    binaries.build(say)
    with _lock(node):
        if node.is_ready():
            say("the node is already up")
            return
        _end(node)
        begin = time.monotonic()
        _write_run(node)
        keeper = _start_keeper(node)
        deadline = begin + UP_SECONDS
        while not node.is_ready():
            if keeper.poll() is not None or time.monotonic() > deadline:
                _end(node)
                raise Broken(f"the node did not come up\n{_last_words(node)}\nMore in {node.log}")
            time.sleep(0.05)
        say(f"the node is up after {time.monotonic() - begin:.1f} s")


def down(node: Node, say: Callable[[str], None]) -> None:
    """Idempotent. It also removes the leftovers of a node that was killed with its keeper."""
    with _lock(node):
        begin = time.monotonic()
        was_up = node.supervisor is not None
        _end(node)
        say(f"the node is down after {time.monotonic() - begin:.1f} s" if was_up else "no node was up")


def keep(node: Node) -> None:
    """The keeper: starts the supervisor in its namespaces, and cleans up when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cgroups.make(node.cgroup)
    supervisor = [sys.executable, "-m", "node.supervisor", node.name]
    # Both links of the chain break it: a killed keeper ends unshare, and that the supervisor.
    command = [
        "setpriv",
        "--pdeathsig=KILL",
        "unshare",
        *UNSHARE,
        "--fork",
        "--kill-child",
        "--",
        *supervisor,
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    pid = _only_child(process)
    if pid is not None:
        (node.run / "network").write_text(_namespace(pid, "net"))
        (node.run / "pid").write_text(str(pid))
    process.wait()
    _clean(node)


def restart(node: Node, component: str, held_seconds: float) -> None:
    """Kills a component; the supervisor starts it again, `held_seconds` later or after a second."""
    pid_file = node.run / "pids" / component
    if not pid_file.exists():
        raise Broken(f"the node runs no {component}; it runs {', '.join(_components(node)) or 'nothing'}")
    hold = node.run / "held" / component
    hold.touch()
    try:
        before = pid_file.read_text()
        subprocess.run(node.entering("kill", "-KILL", before, namespaces="all"), check=True)
        time.sleep(held_seconds)
    finally:
        hold.unlink()
    deadline = time.monotonic() + DOWN_SECONDS
    while pid_file.read_text() == before:
        if time.monotonic() > deadline:
            raise Broken(f"{component} was not started again: see {node.log}/node.log")
        time.sleep(0.05)


def _components(node: Node) -> list[str]:
    folder = node.run / "pids"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _write_run(node: Node) -> None:
    node.run.mkdir(parents=True)
    (node.state / "containerd").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(node.log, ignore_errors=True)
    node.log.mkdir()
    identities.write(node.plane)
    values = {
        "run": node.run,
        "state": node.state,
        "address": ADDRESS,
        "pod_network": POD_NETWORK,
        "pause_image": PAUSE_IMAGE,
        "cni_programs": packages.cni_programs(),
        "cgroup": node.cgroup,
    }
    (node.run / "cni").mkdir()
    for source in sorted((HERE / "configurations").iterdir()):
        folder = node.run / "cni" if source.suffix == ".conflist" else node.run
        (folder / source.name).write_text(Template(source.read_text()).substitute(values))
    # Names of the cluster only: what a Pod asks beyond them has no answer here, and gets it at once.
    (node.run / "resolv.conf").write_text("nameserver 127.0.0.1\n")


def _start_keeper(node: Node) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "node", f"--node={node.name}", "keep"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    with (node.log / "node.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=environment,
        )


def _only_child(process: "subprocess.Popen[bytes]") -> int | None:
    """The child of unshare; None if unshare ended before it had a child."""
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    return None


def _namespace(pid: int | str, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def _end(node: Node) -> None:
    pid = node.supervisor
    if pid is not None and _namespace(pid, "pid") != _namespace("self", "pid"):
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + DOWN_SECONDS
        while node.run.exists() and time.monotonic() < deadline:  # its keeper removes it last
            time.sleep(0.02)
    _clean(node)


def _clean(node: Node) -> None:
    _end_visitors(node)
    cgroups.remove(node.cgroup)
    shutil.rmtree(node.run, ignore_errors=True)


def _end_visitors(node: Node) -> None:
    """Processes that entered the network from outside and are still there: each would keep it alive."""
    network = node.run / "network"
    if not network.exists():
        return
    ours = network.read_text()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it may end meanwhile
            if entry.name.isdigit() and _namespace(entry.name, "net") == ours:
                os.kill(int(entry.name), signal.SIGKILL)


def _last_words(node: Node) -> str:
    log = node.log / "node.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""


@contextmanager
def claim(node: Node) -> Iterator[None]:
    """For a run of tests, from up to down: a second one would end the node of the first."""
    folder = node.run.parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "claim").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Broken(f"another run of the tests uses the node {node.name}: NODE=other make e2e") from None
        yield


@contextmanager
def _lock(node: Node) -> Iterator[None]:
    folder = node.run.parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
