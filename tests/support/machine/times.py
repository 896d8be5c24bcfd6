"""Limits of time that hold on a busy machine. It makes everything slower, and nothing faster."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SOON_SECONDS = 4.0
"""For what takes milliseconds. Less than the limits that would end a wait instead: the shortest has 5 s"""
_ATTEMPTS = 5


@contextmanager
def soon(seconds: float = SOON_SECONDS) -> Iterator[None]:
    """The block must not take that long."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds, f"it took {took:.1f} s"


def assert_once_below(seconds: float, measure: Callable[[], float]) -> None:
    """One of a few measurements gives less: what was so once can be so."""
    found: list[float] = []
    while len(found) < _ATTEMPTS:
        found.append(measure())
        if found[-1] < seconds:
            return
    raise AssertionError(f"{found} s, and never less than {seconds} s")


def assert_takes_less(
    seconds: float, work: Callable[[], object], clock: Callable[[], float] = time.monotonic
) -> None:
    """Once in a few attempts."""

    def measure() -> float:
        started = clock()
        work()
        return clock() - started

    assert_once_below(seconds, measure)
