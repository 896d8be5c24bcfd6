"""Large transfers over a connection: 1 GiB down, 1 GiB up, a long page."""

import time
from collections.abc import Callable

from benchmarks.bench import Bench, Target
from benchmarks.content import LARGE, LARGE_SIZE, PAGE, PAGE_SIZE, SMALL
from benchmarks.processes import Service
from benchmarks.rounds import Sample, Samples
from benchmarks.subjects import BEFORE, CADDY, DIRECT, ENVOY, GATEWAY, HAPROXY, NGINX, NGINX_TUNED, SIDECAR

_ALL = (DIRECT, SIDECAR, BEFORE, GATEWAY, NGINX, NGINX_TUNED, HAPROXY, CADDY, ENVOY)
_PAGES_PER_SAMPLE = 5
_SETTLE_SECONDS = 0.3


def download(bench: Bench) -> Samples:
    """1 GiB from the registry."""

    def measure(target: Target) -> Sample:
        with target.endpoint.connect() as client:
            return _watched(target.service, "down", lambda: client.get(LARGE) == LARGE_SIZE)

    return bench.over("1 GiB down", 11, _ALL, measure)


def upload(bench: Bench) -> Samples:
    """1 GiB to the registry, through a fresh process: a standing process may hold memory from before."""

    def measure(name: str) -> Sample:
        with bench.fresh(name) as target, target.endpoint.connect() as client:
            time.sleep(_SETTLE_SECONDS)
            idle = _idle_rss(target.service) if target.service else 0.0
            sample = _watched(target.service, "up", lambda: client.post(LARGE_SIZE) == LARGE_SIZE)
        growth = {"up_growth": sample["up_peak"] - idle} if target.service else {}
        return {**sample, **growth}

    return bench.rounds("1 GiB up", 11, _ALL, measure)


def page(bench: Bench) -> Samples:
    """An index page of 5 MB with 20,000 absolute links, which all must be rewritten."""

    def measure(target: Target) -> Sample:
        with target.endpoint.connect() as client:
            client.get(SMALL)  # the connection, its TLS and a worker are not measured here
            began = time.perf_counter()
            for _ in range(_PAGES_PER_SAMPLE):
                assert client.get(PAGE) > PAGE_SIZE // 2
            return {"page_ms": (time.perf_counter() - began) * 1000 / _PAGES_PER_SAMPLE}

    return bench.over("5 MB page", 15, (DIRECT, SIDECAR, BEFORE, GATEWAY, NGINX), measure)


def _idle_rss(service: Service) -> float:
    """MiB, by the counter of the peak too: other counters of the kernel may differ by some pages."""
    service.forget_peak()
    return service.peak_rss()


def _watched(service: Service | None, prefix: str, action: Callable[[], bool]) -> Sample:
    """Wall time of the action, and the service's CPU time and peak."""
    if service is None:
        began = time.perf_counter()
        assert action()
        return {f"{prefix}_s": time.perf_counter() - began}
    service.forget_peak()
    cpu = service.cpu_seconds()
    began = time.perf_counter()
    assert action()
    seconds = time.perf_counter() - began
    return {
        f"{prefix}_s": seconds,
        f"{prefix}_cpu_s": service.cpu_seconds() - cpu,
        f"{prefix}_peak": service.peak_rss(),
    }
