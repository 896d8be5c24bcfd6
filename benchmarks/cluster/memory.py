"""Idle memory of every component: what the kernel counts of its processes, and charges to its container."""

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
        found = [_memory(container_id) for container_id in containers]
        values = [number(statistics.median(one[key] for one in found), 1) for key in _COLUMNS]
        rows.append((role, str(len(found)), *values))
    return Table("Idle memory", ("component", "Pods", *_COLUMNS.values()), rows)


def _roles(bench: Bench) -> Mapping[str, Sequence[str]]:
    """Role → ids of the containers in it."""
    lease = bench.kube.get("lease", LEASE, names.NAMESPACE)
    leader = lease["spec"]["holderIdentity"]
    brokers = component_pods(bench, names.BROKER)
    return {
        "admission": [container_id(one) for one in component_pods(bench, names.ADMISSION)],
        "broker, leader": [container_id(one) for one in brokers if one["metadata"]["name"] == leader],
        "broker, another": [container_id(one) for one in brokers if one["metadata"]["name"] != leader],
        "sidecar, after one install": [container_id(one, sidecar=True) for one in bench.standing],
    }


def component_pods(bench: Bench, deployment: str) -> list[Object]:
    selector = f"app.kubernetes.io/component={deployment.removeprefix('pypi-connector-')}"
    found: list[Object] = bench.kube.list("pods", names.NAMESPACE, selector=selector)
    return found


def container_id(pod: Object, *, sidecar: bool = False) -> str:
    """Of its first container, or of the injected one."""
    kind = "initContainerStatuses" if sidecar else "containerStatuses"
    return str(pod["status"][kind][0]["containerID"])


def _memory(container: str) -> dict[str, float]:
    """MiB, by /proc/PID/smaps_rollup and by the container's cgroup."""
    pids = container_processes(container)
    tables = [kibibytes(f"/proc/{pid}/smaps_rollup") for pid in pids]
    summed = {key: sum(table[key] for table in tables) / 1024 for key in _COLUMNS if key != "cgroup"}
    return {**summed, "cgroup": cgroup_memory(pids[0]) / 1024**2}
