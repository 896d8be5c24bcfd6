"""The cost of a subject before its use: its start, and the memory that a further Pod adds."""

import statistics
import time
from contextlib import ExitStack

from benchmarks.bench import Bench, warm
from benchmarks.content import SMALL
from benchmarks.machine import free_port
from benchmarks.rounds import Sample, Samples
from benchmarks.subjects import BEFORE, CADDY, ENVOY, HAPROXY, NGINX, SIDECAR, UVICORN
from benchmarks.traffic import Endpoint, await_answer

_NAMES = (SIDECAR, BEFORE, NGINX, HAPROXY, CADDY, ENVOY, UVICORN)
_PODS = 4
_SETTLE_SECONDS = 0.3


def start(bench: Bench) -> Samples:
    """The time from the spawn to the first 200 of a registry behind TLS."""

    def measure(name: str) -> Sample:
        endpoint = Endpoint(free_port())
        began = time.perf_counter()
        with bench.subjects[name](endpoint.port):
            await_answer(endpoint, SMALL)
            return {"start_ms": (time.perf_counter() - began) * 1000}

    return bench.rounds("start", 24, _NAMES, measure)


def memory(bench: Bench) -> Samples:
    """Start four, and send each a few requests: the RSS of the first, and the memory that each other adds."""

    def measure(name: str) -> Sample:
        with ExitStack() as stack:
            targets = [stack.enter_context(bench.fresh(name)) for _ in range(_PODS)]
            for target in targets:
                warm(target.endpoint)
            time.sleep(_SETTLE_SECONDS)
            first, *further = (target.service.memory() for target in targets if target.service)
        return {
            "idle_rss": first.rss,
            "added_anonymous": statistics.mean(usage.anonymous for usage in further),
        }

    return bench.rounds("memory", 7, _NAMES, measure)
