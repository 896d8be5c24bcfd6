"""Small files in numbers, through 1, 16 and 50 connections; uv opens up to 50."""

from benchmarks.bench import Bench, Target
from benchmarks.content import SMALL
from benchmarks.rounds import Sample, Samples
from benchmarks.subjects import BEFORE, CADDY, DIRECT, ENVOY, HAPROXY, NGINX, SIDECAR

CONNECTIONS = (1, 16, 50)


def small(bench: Bench) -> Samples:
    """Latency, rate, and the CPU of the proxy for one request: it moves least on a machine with company."""
    seconds = 1 if bench.is_quick else 2

    def measure(target: Target) -> Sample:
        found: dict[str, float] = {}
        for connections in CONNECTIONS:
            before = target.service.cpu_seconds() if target.service else 0.0
            load = bench.load.run(target.endpoint, SMALL, connections, seconds)
            found |= {
                f"p50_{connections}": load.p50_ms,
                f"p99_{connections}": load.p99_ms,
                f"rate_{connections}": load.rate,
            }
            if target.service:
                spent = target.service.cpu_seconds() - before
                found[f"cpu_us_{connections}"] = spent / load.requests * 1e6
        return found

    return bench.over("20 KB", 9, (DIRECT, SIDECAR, BEFORE, NGINX, HAPROXY, CADDY, ENVOY), measure)
