"""Shared by all figures: the subjects, the standing subjects, and the number of rounds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from benchmarks.content import PAGE, SMALL
from benchmarks.gateways import AUTHORIZATION, HOST
from benchmarks.load import LoadGenerator
from benchmarks.machine import free_port
from benchmarks.processes import Service
from benchmarks.rounds import Sample, Samples, run_rounds
from benchmarks.subjects import DIRECT, GATEWAY, Context, Subjects
from benchmarks.traffic import Endpoint, await_answer


class Target(NamedTuple):
    endpoint: Endpoint
    service: Service | None
    """None: the registry itself, which is not measured"""


class Bench(NamedTuple):
    context: Context
    subjects: Subjects
    direct: Target
    standing: Mapping[str, Target]
    """They run all at once, until the benchmark ends"""
    load: LoadGenerator
    is_quick: bool

    def rounds(self, label: str, count: int, names: Iterable[str], task: Callable[[str], Sample]) -> Samples:
        """`task` takes a subject's name. Names of subjects that are not in this run are left out."""
        tasks = {name: partial(task, name) for name in names if name == DIRECT or name in self.subjects}
        return run_rounds(label, max(2, count // 4) if self.is_quick else count, tasks)

    def over(self, label: str, count: int, names: Iterable[str], task: Callable[[Target], Sample]) -> Samples:
        """The same over standing subjects."""
        return self.rounds(label, count, names, lambda name: task(self.target(name)))

    def target(self, name: str) -> Target:
        return self.direct if name == DIRECT else self.standing[name]

    @contextmanager
    def fresh(self, name: str) -> Iterator[Target]:
        """A further subject of this name. It has fetched a small file, so its connection and TLS are open."""
        if name == DIRECT:
            yield self.direct
            return
        with start(self.subjects, name) as target:
            yield target


@contextmanager
def start(subjects: Subjects, name: str) -> Iterator[Target]:
    """Start a subject on a free port, wait until it answers, and end it afterwards."""
    endpoint = Endpoint(free_port())
    if name == GATEWAY:
        endpoint = Endpoint(endpoint.port, authorization=AUTHORIZATION, host=HOST)
    with subjects[name](endpoint.port) as service:
        try:
            await_answer(endpoint, SMALL)
        except AssertionError:
            service.check()  # its last log lines say more
            raise
        yield Target(endpoint, service)


def warm(endpoint: Endpoint) -> None:
    """Send the first requests of a Pod: small files and a long page."""
    with endpoint.connect() as client:
        client.get(SMALL)
        client.get(PAGE)
