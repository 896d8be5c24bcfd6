"""The cost of admission by the API server's own counts: the webhook's answers and the policies' checks.

The Pods are never scheduled, and are deleted at once, so no kubelet is part of the measurement.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

from benchmarks.cluster import pods
from benchmarks.cluster.bench import CONNECTOR, Bench, say
from benchmarks.cluster.metrics import Histogram, histogram
from benchmarks.cluster.tables import Table, number
from benchmarks.rounds import Sample, Samples, median, run_rounds

PODS_A_ROUND = 30
_WEBHOOK = ("apiserver_admission_webhook_admission_duration_seconds", "name", "pods.connectors.alauda.io")
_POLICIES = ("apiserver_admission_controller_admission_duration_seconds", "name", "ValidatingAdmissionPolicy")
"""All policies together: the API server counts a single policy's checks only when it refuses"""
_FAST, _SLOW = 0.005, 0.025  # bounds of the API server's buckets
_NO_SCHEDULER = "nobody"
"""The name of no scheduler: a real scheduler would write an Event for each Pod, which is admitted too"""

PLAIN = "names no connector"
NAMED = "names a connector"
_METRICS: dict[str, tuple[str, int]] = {
    "post_p50": ("POST p50, ms", 1),
    "post_p95": ("p95, ms", 1),
    "calls": ("webhook: calls a Pod", 2),
    "call_ms": ("mean, ms", 1),
    "fast": (f"≤ {_FAST * 1000:g} ms, %", 0),
    "slow": (f"≤ {_SLOW * 1000:g} ms, %", 0),
    "policies_ms": ("policies: a Pod, ms", 2),
}


def measure(bench: Bench) -> Table:
    count = bench.rounds(10)
    say(f"admission: {count} rounds of {PODS_A_ROUND} Pods each")
    tasks: dict[str, Callable[[], Sample]] = {
        PLAIN: partial(_create_many, bench, None),
        NAMED: partial(_create_many, bench, CONNECTOR),
    }
    return _table(run_rounds("admission", count, tasks), count)


def _create_many(bench: Bench, connector: str | None) -> Sample:
    pod = pods.bare(connector)
    pod["spec"]["schedulerName"] = _NO_SCHEDULER
    pod["metadata"]["labels"] = {"bench": "admission"}
    before = bench.api.text("/metrics")
    seconds = []
    for _ in range(PODS_A_ROUND):
        began = time.perf_counter()
        bench.api.create(bench.pods, pod)
        seconds.append(time.perf_counter() - began)
    after = bench.api.text("/metrics")
    bench.api.delete(bench.pods, grace_seconds=0, labelSelector="bench=admission")
    webhook, policies = _between(before, after, _WEBHOOK), _between(before, after, _POLICIES)
    assert (webhook.count > 0) == (connector is not None), f"{webhook.count} calls for {connector}"
    return {
        "post_p50": statistics.median(seconds) * 1000,
        "post_p95": statistics.quantiles(seconds, n=20)[-1] * 1000,
        "calls": webhook.count / PODS_A_ROUND,
        "policies_ms": policies.sum / PODS_A_ROUND * 1000,
        **(_of_calls(webhook) if webhook.count else {}),
    }


def _of_calls(webhook: Histogram) -> Sample:
    return {
        "call_ms": webhook.sum / webhook.count * 1000,
        "fast": webhook.share_up_to(_FAST) * 100,
        "slow": webhook.share_up_to(_SLOW) * 100,
    }


def _between(before: str, after: str, which: tuple[str, str, str]) -> Histogram:
    return histogram(after, *which).since(histogram(before, *which))


def _table(samples: Samples, count: int) -> Table:
    rows = [
        (name, *(number(median(samples, name, metric), digits) for metric, (_, digits) in _METRICS.items()))
        for name in (PLAIN, NAMED)
    ]
    title = f"Admission ({count * PODS_A_ROUND} Pods each)"
    return Table(title, ("Pod", *(heading for heading, _ in _METRICS.values())), rows)
