"""Grants of a broker replica with a real API server: rate, latency and cost.

The kubelet made the tokens, for injected Pods. The API server remembers a review for 10 s, so under load it
has seen each token before. For the row of first grants, the benchmark waits until it has forgotten them.
"""

import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.cluster.bench import CONNECTOR, Bench, say
from benchmarks.cluster.memory import component_pods, container_id
from benchmarks.cluster.node import container_processes, pod_file, process
from benchmarks.cluster.sidecars import Broker, Load, grants
from benchmarks.cluster.tables import NONE, Table, number
from benchmarks.processes import cpu_seconds
from support.scenarios import product
from webhook import names

CLIENTS = (1, 4, 16)
_FORGET_SECONDS = 11.0
"""The API server remembers a token that it has reviewed for 10 s"""


def measure(bench: Bench) -> Table:
    say("grants: one replica")
    broker = _broker(bench)
    tokens = [pod_file(pod["metadata"]["uid"], names.TOKEN_VOLUME, "token") for pod in bench.standing]
    with _one_replica(bench):
        rows = [_first(bench, broker, tokens)]
        for is_reused in (False, True):
            rows += [_under_load(bench, broker, tokens, number, is_reused=is_reused) for number in CLIENTS]
    headings = (
        "clients",
        "grants/s",
        "p50, ms",
        "p99, ms",
        "CPU of the broker, ms a grant",
        "of the API server",
    )
    return Table("Grants of one broker", headings, rows)


def _first(bench: Bench, broker: Broker, tokens: Sequence[str]) -> Sequence[str]:
    """Ask for grants one after the other, with tokens that the API server does not remember."""
    latencies: list[float] = []
    for _ in range(bench.rounds(10)):
        time.sleep(_FORGET_SECONDS)
        for token in tokens:
            connection, began = broker.connect(), time.perf_counter()
            connection.ask(token, last=True)
            latencies.append(time.perf_counter() - began)
    load = Load(sum(latencies), sorted(latencies))
    return (
        "a Pod's first grant",
        NONE,
        number(load.percentile(0.5), 1),
        number(load.percentile(0.99), 1),
        NONE,
        NONE,
    )


def _under_load(
    bench: Bench, broker: Broker, tokens: Sequence[str], clients: int, *, is_reused: bool
) -> Sequence[str]:
    (replica,) = component_pods(bench, names.BROKER)
    (pid,), server = container_processes(container_id(replica)), process("kube-apiserver")
    grants(
        broker, tokens, clients, 1.0, is_reused=is_reused
    )  # untimed: connections to the API server, caches
    before = cpu_seconds(pid), cpu_seconds(server)
    load = grants(broker, tokens, clients, 2.0 if bench.is_quick else 10.0, is_reused=is_reused)
    after = cpu_seconds(pid), cpu_seconds(server)
    costs = [(end - begin) * 1000 / len(load.latencies) for begin, end in zip(before, after, strict=True)]
    values = (load.rate, load.percentile(0.5), load.percentile(0.99), *costs)
    return (
        f"{clients}, {'kept' if is_reused else 'new'} connections",
        *(number(value, 1) for value in values),
    )


def _broker(bench: Bench) -> Broker:
    """The broker as the variables of an injected sidecar name it."""
    sidecar = bench.standing[0]["spec"]["initContainers"][0]
    variables = {variable["name"]: variable.get("value", "") for variable in sidecar["env"]}
    service = bench.kube.get("service", names.BROKER, names.NAMESPACE)
    host = variables["SIDECAR_BROKER_URL"].removeprefix("https://").partition(":")[0].rstrip("/")
    tls = ssl.create_default_context(cadata=variables["SIDECAR_BROKER_CA"])
    key = f"{bench.namespace}/{CONNECTOR}"
    return Broker(service["spec"]["clusterIP"], host, tls, key, bench.registry.password)


@contextmanager
def _one_replica(bench: Bench) -> Iterator[None]:
    product.scale(bench.kube, names.BROKER, 1)
    try:
        bench.kube.wait_for(
            lambda: len(component_pods(bench, names.BROKER)) == 1, what="one broker to be left"
        )
        yield
    finally:
        product.scale(bench.kube, names.BROKER, product.REPLICAS)
        product.await_ready(bench.kube, names.BROKER)
