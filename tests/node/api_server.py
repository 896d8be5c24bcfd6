"""An API server alone: etcd, kube-apiserver and a few controllers on free loopback ports, ready in seconds.

No root, no namespaces, no node: its children die with it, however it ends. Several may run side by side.
It lives until its standard input ends, so not longer than the process that started it.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from node import identities
from node.binaries import KUBERNETES
from node.components import API_ONLY_CONTROLLERS, Component, ControlPlane
from node.problems import Broken, Missing
from support.machine.ports import free_port

READY_SECONDS = 120.0  # takes 4 s; a machine under load may be many times slower

AUDIT_LOG = "audit.log"
"""Beside the kubeconfig: an event of the API server's audit log in each line"""


def serve() -> None:
    """One line of JSON, `{"kubeconfig": …, "kubectl": …}`, when ready; returns when stdin ends."""
    if not KUBERNETES.is_built:
        raise Missing(
            "Kubernetes has not been built: run `make cluster-build` (about 12 minutes, once; needs Go)"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the folder is removed
    with ExitStack() as stack:
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pypi-connector-api-")))
        plane = _control_plane(run)
        identities.write(plane)
        parts = [
            plane.etcd(),
            # Nobody here uses the Service `kubernetes`, and loopback would be refused as its endpoint.
            plane.api_server("--endpoint-reconciler-type=none", *_auditing(run)),
        ]
        processes = {part.name: _start(stack, part, run) for part in parts}
        _wait_until_ready(plane, processes)
        controllers = plane.controller_manager(
            f"--controllers={','.join(API_ONLY_CONTROLLERS)}", "--secure-port=0"
        )
        _start(stack, controllers, run)
        ready = {"kubeconfig": str(run / "admin.conf"), "kubectl": str(plane.programs / "kubectl")}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def _auditing(run: Path) -> tuple[str, ...]:
    """An audit log of the creations of Pods, with their patches; of nothing else, for it costs time."""
    creations = {
        "level": "Request",
        "verbs": ["create"],
        "resources": [{"group": "", "resources": ["pods"]}],
        "omitStages": ["RequestReceived"],
    }
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [creations, {"level": "None"}]}
    (run / "audit.yaml").write_text(json.dumps(policy))
    return (f"--audit-policy-file={run / 'audit.yaml'}", f"--audit-log-path={run / AUDIT_LOG}")


def _control_plane(run: Path) -> ControlPlane:
    port, etcd_port, peer_port = (free_port() for _ in range(3))
    return ControlPlane(KUBERNETES.folder, run, "127.0.0.1", port, etcd_port, peer_port)


def _start(stack: ExitStack, component: Component, run: Path) -> "subprocess.Popen[bytes]":
    log = stack.enter_context((run / f"{component.name}.log").open("wb"))
    # The kernel kills the child when this process is gone, even by SIGKILL.
    command = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", *component.command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _wait_until_ready(plane: ControlPlane, processes: "dict[str, subprocess.Popen[bytes]]") -> None:
    kubectl = [
        str(plane.programs / "kubectl"),
        f"--kubeconfig={plane.run / 'admin.conf'}",
        "get",
        "--raw=/readyz",
    ]
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run(kubectl, capture_output=True, check=False).returncode != 0:
        dead = [name for name, process in processes.items() if process.poll() is not None]
        if dead or time.monotonic() > deadline:
            what = f"{dead[0]} ended" if dead else f"not ready within {READY_SECONDS:g} s"
            logs = "\n".join(path.read_text()[-2000:] for path in sorted(plane.run.glob("*.log")))
            raise Broken(f"the API server did not start: {what}\n{logs}")
        time.sleep(0.1)
