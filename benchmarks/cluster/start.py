"""Time from a Pod's creation to its main container's first instruction, without and with sidecars.

Creation is the client's POST. The first instruction writes the clock into the Pod's status: client and Pod
are on the same machine, and so have the same clock. Pods with some of our parts show the cost of each part.
"""

import time
from functools import partial

from benchmarks.cluster import pods
from benchmarks.cluster.api import Object
from benchmarks.cluster.bench import CONNECTOR, Bench, say
from benchmarks.cluster.tables import NONE, Table, number
from benchmarks.rounds import Sample, Samples, difference, median, run_rounds

LIMIT_MS = 150
"""Our sidecar may take so much longer than a sidecar that does nothing"""
_SETTLE_SECONDS = 0.5  # the kubelet cleans up after the Pod has gone; arbitrary

NONE_AT_ALL = "no sidecar"
NO_OP = "a sidecar that does nothing"
HOOK = "+ a `postStart` hook that returns at once"
VOLUMES = "+ our volumes, mounts, variables"
PROGRAM = "+ our program and its start gate"
OURS = "ours: + admission"
_STEPS = (NONE_AT_ALL, NO_OP, HOOK, VOLUMES, PROGRAM, OURS)


def measure(bench: Bench) -> Table:
    count = bench.rounds(20)
    say(f"start: {count} rounds of {len(_STEPS)} Pods")
    injected = bench.api.create(bench.pods, pods.bare(CONNECTOR), dryRun="All")
    image = injected["spec"]["initContainers"][0]["image"]
    written = pods.by_hand(injected)
    subjects = {
        NONE_AT_ALL: pods.bare(),
        NO_OP: pods.with_sidecar(image),
        HOOK: pods.with_sidecar(image, has_hook=True),
        VOLUMES: pods.idle(written),
        PROGRAM: written,
        OURS: pods.bare(CONNECTOR),
    }
    tasks = {name: partial(_start, bench, pod) for name, pod in subjects.items()}
    return _table(run_rounds("start", count, tasks))


def _start(bench: Bench, pod: Object) -> Sample:
    began = time.time()
    created = bench.api.create(bench.pods, pod)
    answered = time.time()
    name, version = created["metadata"]["name"], created["metadata"]["resourceVersion"]
    started = None
    query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": version}
    for event in bench.api.watch(bench.pods, **query):
        if started is None:
            started = _first_instruction(event["object"])
            if started is not None:
                bench.api.delete(f"{bench.pods}/{name}", grace_seconds=pods.GRACE_SECONDS)
        if event["type"] == "DELETED":
            break
    assert started is not None, f"Pod {name} ended, or did not start within two minutes"
    time.sleep(_SETTLE_SECONDS)
    return {"start_ms": (started - began) * 1000, "post_ms": (answered - began) * 1000}


def _first_instruction(pod: Object) -> float | None:
    """Seconds since 1970, once the main container has ended."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    ended = statuses[0].get("state", {}).get("terminated")
    return float(ended["message"]) if ended else None


def _table(samples: Samples) -> Table:
    rows = []
    before: str | None = None
    for name in _STEPS:
        over_no_op = difference(samples, name, NO_OP, "start_ms") if name != NO_OP else None
        spread = (
            f"{over_no_op.median:+,.0f} ({over_no_op.lowest:+,.0f} to {over_no_op.highest:+,.0f})"
            if over_no_op
            else NONE
        )
        step = difference(samples, name, before, "start_ms") if before else None
        values = [number(median(samples, name, metric), 0) for metric in ("start_ms", "post_ms")]
        rows.append(
            (name, *values, f"{step.median:+,.0f}" if step else NONE, spread, _verdict(samples, name))
        )
        before = name
    headings = (
        "Pod",
        "first instruction, ms",
        "of it the POST",
        "this step",
        "over a no-op",
        f"≤ {LIMIT_MS}",
    )
    return Table("Start of a Pod", headings, rows)


def _verdict(samples: Samples, name: str) -> str:
    over_no_op = difference(samples, OURS, NO_OP, "start_ms")
    if name != OURS or over_no_op is None:
        return ""
    return "met" if over_no_op.median <= LIMIT_MS else "MISSED"
