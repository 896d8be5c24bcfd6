"""Idle memory of each component: of its processes, and of its container, by the kernel's counts."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.cluster.api import Object
from benchmarks.cluster.bench import Bench, say
from benchmarks.cluster.node import cgroup_memory, container_processes
from benchmarks.cluster.tables import Table, number
from benchmarks.processes import kibibytes
from webhook import names

_COLUMNS = {"Rss": "RSS, MiB", "Pss": "PSS, MiB", "Anonymous": "anonymous, MiB", "cgroup": "cgroup, MiB"}
LEASE = "pypi-connector-controller"


def measure(bench: Bench) -> Table:
    """Medians over the Pods of a role."""
    say("memory")
    rows = []
    for role, containers in _roles(bench).items():
        samples = [_memory(container_id) for container_id in containers]
        values = [number(statistics.median(sample[key] for sample in samples), 1) for key in _COLUMNS]
        rows.append((role, str(len(samples)), *values))
    return Table("Idle memory", ("component", "Pods", *_COLUMNS.values()), rows)


def _roles(bench: Bench) -> Mapping[str, Sequence[str]]:
    """Role → ids of its containers."""
    lease = bench.kube.get("lease", LEASE, names.NAMESPACE)
    leader = lease["spec"]["holderIdentity"]
    brokers = component_pods(bench, names.BROKER)
    return {
        "admission": [container_id(pod) for pod in component_pods(bench, names.ADMISSION)],
        "broker, leader": [container_id(pod) for pod in brokers if pod["metadata"]["name"] == leader],
        "broker, another": [container_id(pod) for pod in brokers if pod["metadata"]["name"] != leader],
        "sidecar, after one install": [container_id(pod, sidecar=True) for pod in bench.standing],
    }


def component_pods(bench: Bench, deployment: str) -> list[Object]:
    selector = f"app.kubernetes.io/component={deployment.removeprefix('pypi-connector-')}"
    pods: list[Object] = bench.kube.list("pods", names.NAMESPACE, selector=selector)
    return pods


def container_id(pod: Object, *, sidecar: bool = False) -> str:
    """The id of the Pod's first container, or of the injected sidecar."""
    kind = "initContainerStatuses" if sidecar else "containerStatuses"
    return str(pod["status"][kind][0]["containerID"])


def _memory(container: str) -> dict[str, float]:
    """MiB, by /proc/PID/smaps_rollup and by the container's cgroup."""
    pids = container_processes(container)
    tables = [kibibytes(f"/proc/{pid}/smaps_rollup") for pid in pids]
    summed = {key: sum(table[key] for table in tables) / 1024 for key in _COLUMNS if key != "cgroup"}
    return {**summed, "cgroup": cgroup_memory(pids[0]) / 1024**2}
