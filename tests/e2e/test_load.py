"""Floods from Pods without credentials do not hinder other Pods, which are created and install."""

import json
import logging
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios import product
from support.scenarios.scenes import WORKLOAD, Registry, connector, pod, wait_for_phase
from webhook import names
from webhook.pod.quantities import parse_quantity

logger = logging.getLogger(__name__)

FLOOD = Path(__file__).with_name("programs") / "flood.py"
ATTACKS = [
    ("idle", names.ADMISSION),
    ("idle", names.BROKER),
    ("handshakes", names.ADMISSION),
    ("handshakes", names.BROKER),
    ("bodies", names.ADMISSION),
    ("tokens", names.BROKER),
    ("chunks", names.ADMISSION),
    ("chunks", names.BROKER),
    ("missing", names.ADMISSION),
]
"""Kind and target. Floods of objects (`connectors`) belong here too."""

VICTIMS = 6
"""In each run, one after the other"""
SLOWER = 6.0
"""A bound for what is stuck, not a measurement: floods, components, victims and other tests share the CPUs.
The ratio is logged; docs/faults.md has some, of a busy machine"""
MEMORY_SHARE = 0.8
"""Of a component's limit, at its highest"""
REVIEWS = 500
"""TokenReviews that a few thousand made-up tokens may cost: 20 and one every two seconds for each replica and
each address, and those of the victims"""
INSTALL = "pip install --quiet --no-cache-dir --target $(mktemp -d) hello-connector"


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen."""

    quiet: list[float]
    """Seconds from the creation of a Pod to the end of its install, before and after the floods"""
    flooded: list[float]
    attackers: dict[str, dict[str, int]]
    """What each says that it has done"""
    starts_before: dict[str, int]
    starts_after: dict[str, int]
    peaks: dict[str, float]
    """Pod → the most memory that its process ever had, as a share of the limit"""
    reviews: int
    """TokenReviews during the floods"""
    log: str = field(repr=False)
    """Of all components, during the floods"""


@pytest.fixture(scope="module")
def load(installed: Kube, registry: Registry) -> Iterator[Load]:
    with installed.namespace(prefix="team") as team, installed.namespace(prefix="eve") as eve:
        installed.create(*connector("team-pypi", registry), namespace=team)
        run_victim(installed, team, "warm")
        starts = product.starts(installed)
        quiet = [run_victim(installed, team, f"before-{number}") for number in range(VICTIMS)]
        reviews, began = token_reviews(installed), time.monotonic()
        attackers = [attacker(kind, target) for kind, target in ATTACKS]
        installed.create(*attackers, namespace=eve)
        for made in attackers:
            wait_for_phase(installed, eve, made["metadata"]["name"], "Running")
        installed.wait_for(lambda: all(said(installed, eve, made) for made in attackers), what="the floods")
        flooded = [run_victim(installed, team, f"beside-{number}") for number in range(VICTIMS)]
        seen = {made["metadata"]["name"]: said(installed, eve, made) for made in attackers}
        reviews = token_reviews(installed) - reviews
        log = component_logs(installed, time.monotonic() - began)
        installed.run("delete", "pods", "--all", "-n", eve, "--grace-period=0", "--force")
        quiet += [run_victim(installed, team, f"after-{number}") for number in range(VICTIMS // 2)]
        after = product.starts(installed)
        yield Load(quiet, flooded, seen, starts, after, peaks(installed), reviews, log)


def attacker(kind: str, target: str) -> dict[str, Any]:
    made = pod(f"{kind}-{target.rpartition('-')[2]}", "", None)
    host = f"{target}.{names.NAMESPACE}.svc.cluster.local"
    made["spec"]["containers"][0] = {
        "name": "main",
        "image": WORKLOAD,
        "command": ["python3", "-c", FLOOD.read_text(), kind, host],
        # bounded, for victims and components have the same CPUs here
        "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "100m", "memory": "512Mi"}},
    }
    return made


def said(kube: Kube, namespace: str, made: dict[str, Any]) -> dict[str, int]:
    lines = kube.logs(made["metadata"]["name"], namespace).splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def run_victim(kube: Kube, namespace: str, name: str) -> float:
    began = time.monotonic()
    kube.create(pod(name, INSTALL, "team-pypi"), namespace=namespace)
    found = wait_for_phase(kube, namespace, name, "Succeeded", "Failed")
    assert found["status"]["phase"] == "Succeeded", kube.logs(name, namespace, names.SIDECAR)
    return time.monotonic() - began


def token_reviews(kube: Kube) -> int:
    """As the API server counts them."""
    metrics = kube.run("get", "--raw", "/metrics").stdout.splitlines()
    ours = [
        line for line in metrics if line.startswith("apiserver_request_total{") and '"tokenreviews"' in line
    ]
    return sum(int(float(line.rpartition(" ")[2])) for line in ours)


def component_logs(kube: Kube, seconds: float) -> str:
    parts = []
    for deployment in (names.ADMISSION, names.BROKER):
        options = ("-n", names.NAMESPACE, "-l", product.component(deployment), "--prefix", "--tail=-1")
        parts.append(kube.run("logs", *options, f"--since={int(seconds) + 1}s").stdout)
    return "\n".join(parts)


def peaks(kube: Kube) -> dict[str, float]:
    """proc_pid_status(5) of each component's process, read from within."""
    found = {}
    for deployment in (names.ADMISSION, names.BROKER):
        for component in product.pods(kube, deployment):
            name, [container] = component["metadata"]["name"], component["spec"]["containers"]
            script = "print(open('/proc/1/status').read())"
            status = kube.run("exec", name, "-n", names.NAMESPACE, "--", "python3", "-Ic", script).stdout
            [kib] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
            limit = parse_quantity(container["resources"]["limits"]["memory"])
            assert limit
            found[name] = kib * 1024 / float(limit)
    return found


def test_no_pod_is_refused_and_none_is_stuck(load: Load) -> None:
    """A refusal, or an install that fails, ends the run itself."""
    assert len(load.flooded) == VICTIMS
    quiet, flooded = statistics.median(load.quiet), statistics.median(load.flooded)
    logger.info("start and install: %.1f s in quiet, %.1f s beside the floods; %s", quiet, flooded, load)
    assert flooded <= SLOWER * quiet, load


def test_the_floods_were_real(load: Load) -> None:
    for name, counts in load.attackers.items():
        attempts = counts.get("connected", 0) + sum(
            number for key, number in counts.items() if key.startswith("answered")
        )
        assert attempts > 100, (name, counts)
    assert load.attackers["tokens-broker"].get("answered 429", 0) > 100


def test_no_component_restarts(load: Load) -> None:
    assert load.starts_after == load.starts_before


def test_memory_stays_under_the_limit(load: Load) -> None:
    assert len(load.peaks) == 2 * product.REPLICAS
    assert max(load.peaks.values()) < MEMORY_SHARE, load.peaks


def test_made_up_tokens_cost_few_reviews(load: Load) -> None:
    assert load.reviews < REVIEWS


def test_the_log_reports_it_in_few_lines(load: Load) -> None:
    assert '"connections turned away"' in load.log
    assert '"requests turned away"' in load.log
    turned_away = [line for line in load.log.splitlines() if "turned away" in line]
    assert len(turned_away) < 40
