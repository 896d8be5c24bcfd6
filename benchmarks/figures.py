"""The figures: what each measures, on whom, in how many rounds."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from benchmarks.content import LARGE, LARGE_SIZE, PAGE, PAGE_SIZE, SMALL
from benchmarks.installs import install
from benchmarks.load import LoadGenerator
from benchmarks.machine import free_port
from benchmarks.processes import Service
from benchmarks.rounds import Sample, Samples, run_rounds
from benchmarks.subjects import DIRECT, NGINX, NGINX_TUNED, SIDECAR, UVICORN, Subjects, Surroundings
from benchmarks.traffic import Endpoint, seconds_to_first_answer

_PAGES_PER_SAMPLE = 5
_SETTLE_SECONDS = 0.3


class Target(NamedTuple):
    endpoint: Endpoint
    service: Service | None
    """None: the registry itself, which is not measured"""


class Bench(NamedTuple):
    """Everything a figure needs."""

    around: Surroundings
    subjects: Subjects
    standing: Mapping[str, Target]
    """All of them alive at once, as long as the benchmark runs"""
    load: LoadGenerator
    uv: str
    is_quick: bool

    def rounds(self, count: int) -> int:
        return max(2, count // 4) if self.is_quick else count

    def over(
        self, label: str, count: int, names: Iterable[str], task: Callable[["Bench", Target], Sample]
    ) -> Samples:
        tasks = {name: partial(task, self, self.standing[name]) for name in names}
        return run_rounds(label, self.rounds(count), tasks)


def start(bench: Bench) -> Samples:
    """From spawn to the first 200 of a registry behind TLS, and memory when idle after a few requests."""

    def measure(name: str) -> Sample:
        endpoint = Endpoint(free_port())
        began = time.perf_counter()
        with bench.subjects[name](endpoint.port) as service:
            seconds = seconds_to_first_answer(endpoint, SMALL, began)
            with endpoint.connect() as client:
                client.get(SMALL)
                client.get(PAGE)
            time.sleep(_SETTLE_SECONDS)
            memory = service.memory()
        return {"start_ms": seconds * 1000, "idle_rss": memory.rss, "idle_anonymous": memory.anonymous}

    names = (SIDECAR, NGINX, UVICORN)
    return run_rounds("start", bench.rounds(20), {name: partial(measure, name) for name in names})


def small(bench: Bench) -> Samples:
    """20 KB files through 1 and 16 connections."""
    seconds = 1 if bench.is_quick else 3

    def measure(bench: Bench, target: Target) -> Sample:
        one = bench.load.run(target.endpoint, SMALL, 1, seconds)
        many = bench.load.run(target.endpoint, SMALL, 16, seconds)
        return {
            "p50_1": one.p50_ms,
            "rate_1": one.rate,
            "p50_16": many.p50_ms,
            "p99_16": many.p99_ms,
            "rate_16": many.rate,
        }

    return bench.over("20 KB", 7, (DIRECT, SIDECAR, NGINX), measure)


def download(bench: Bench) -> Samples:
    """1 GiB from the registry."""

    def measure(bench: Bench, target: Target) -> Sample:
        with target.endpoint.connect() as client:
            return _watched(target.service, "down", lambda: client.get(LARGE) == LARGE_SIZE)

    return bench.over("1 GiB down", 11, (DIRECT, SIDECAR, NGINX, NGINX_TUNED), measure)


def upload(bench: Bench) -> Samples:
    """1 GiB to the registry; `up_growth` is the memory that 1 GiB needs more than 1 MiB does."""

    def measure(bench: Bench, target: Target) -> Sample:
        with target.endpoint.connect() as client:
            low = _watched(target.service, "up", lambda: client.post(1024**2) == 1024**2)
        with target.endpoint.connect() as client:
            high = _watched(target.service, "up", lambda: client.post(LARGE_SIZE) == LARGE_SIZE)
        growth = {"up_growth": high["up_peak"] - low["up_peak"]} if "up_peak" in high else {}
        return {**high, **growth}

    return bench.over("1 GiB up", 9, (DIRECT, SIDECAR, NGINX, NGINX_TUNED), measure)


def page(bench: Bench) -> Samples:
    """An index page of 5 MB with 20,000 absolute links, each of which must be rewritten."""

    def measure(bench: Bench, target: Target) -> Sample:
        with target.endpoint.connect() as client:
            client.get(SMALL)  # the connection, its TLS and a worker are not measured here
            began = time.perf_counter()
            for _ in range(_PAGES_PER_SAMPLE):
                assert client.get(PAGE) > PAGE_SIZE // 2
            return {"page_ms": (time.perf_counter() - began) * 1000 / _PAGES_PER_SAMPLE}

    return bench.over("5 MB page", 15, (DIRECT, SIDECAR, NGINX), measure)


def uv_install(bench: Bench) -> Samples:
    """60 wheels of 40 MB in all with `uv pip install`, nothing cached on either side."""

    def measure(bench: Bench, target: Target) -> Sample:
        if target.service is not None:
            target.service.forget_peak()
        seconds = install(bench.uv, bench.around, target.endpoint)
        peak = {"install_peak": target.service.peak_rss()} if target.service else {}
        return {"install_s": seconds, **peak}

    return bench.over("uv pip install", 11, (DIRECT, SIDECAR, NGINX), measure)


FIGURES: Mapping[str, Callable[[Bench], Samples]] = {
    "start": start,
    "small": small,
    "download": download,
    "upload": upload,
    "page": page,
    "install": uv_install,
}


def _watched(service: Service | None, prefix: str, action: Callable[[], bool]) -> Sample:
    """Wall time of the action, and what it cost the service."""
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
