"""Many small files, through 1, 16 and 50 connections; uv opens up to 50."""

from benchmarks.bench import Bench, Target
from benchmarks.content import SMALL
from benchmarks.rounds import Sample, Samples
from benchmarks.subjects import BEFORE, CADDY, DIRECT, ENVOY, GATEWAY, HAPROXY, NGINX, SIDECAR

CONNECTIONS = (1, 16, 50)


def small(bench: Bench) -> Samples:
    """Latency, rate, and the proxy's CPU time for a request, which depends least on other programs."""
    seconds = 1 if bench.is_quick else 2

    def measure(target: Target) -> Sample:
        values: dict[str, float] = {}
        for connections in CONNECTIONS:
            before = target.service.cpu_seconds() if target.service else 0.0
            load = bench.load.run(target.endpoint, SMALL, connections, seconds)
            values |= {
                f"p50_{connections}": load.p50_ms,
                f"p99_{connections}": load.p99_ms,
                f"rate_{connections}": load.rate,
            }
            if target.service:
                spent = target.service.cpu_seconds() - before
                values[f"cpu_us_{connections}"] = spent / load.requests * 1e6
        return values

    return bench.over("20 KB", 9, (DIRECT, SIDECAR, BEFORE, GATEWAY, NGINX, HAPROXY, CADDY, ENVOY), measure)
