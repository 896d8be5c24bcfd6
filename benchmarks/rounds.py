"""Rounds in shuffled order, and what is made of them: medians, and ratios taken within one round."""

import math
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Sample = Mapping[str, float]
"""Metric → value"""
Samples = Mapping[str, list[Sample]]
"""Subject → its sample of each round"""


class Spread(NamedTuple):
    median: float
    lowest: float
    highest: float


def run_rounds(label: str, count: int, measure: Mapping[str, Callable[[], Sample]]) -> Samples:
    """One untimed round to fill caches, then `count` rounds over all subjects, in shuffled order."""
    found: dict[str, list[Sample]] = {subject: [] for subject in measure}
    for number in range(count + 1):
        order = random.sample(list(measure), len(measure))
        for subject in order:
            _show(f"{label}: round {number} of {count}, {subject}")
            sample = measure[subject]()
            if number:
                found[subject].append(sample)
    _show("")
    return found


def _show(text: str) -> None:
    """Progress, for whoever watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def median(samples: Samples, subject: str, metric: str) -> float | None:
    """None if this subject was not asked for this metric."""
    values = [sample[metric] for sample in samples.get(subject, []) if metric in sample]
    return statistics.median(values) if values else None


def ratios(samples: Samples, subject: str, reference: str, metric: str) -> list[float]:
    """Of values of the same round, for the machine's mood changes from one round to the next."""
    pairs = zip(samples.get(subject, []), samples.get(reference, []), strict=False)
    return [one[metric] / other[metric] for one, other in pairs if metric in one and other.get(metric)]


def difference(samples: Samples, subject: str, reference: str, metric: str) -> Spread | None:
    """Of values of the same round, as `ratios`; with the lowest and the highest of them."""
    pairs = zip(samples.get(subject, []), samples.get(reference, []), strict=False)
    values = [one[metric] - other[metric] for one, other in pairs if metric in one and metric in other]
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def interval(values: Sequence[float]) -> Spread:
    """The median, and two of the values between which the true one lies with 95 % at least.

    By the sign test: each value is as likely above the true median as below it, so nothing is supposed of
    the noise, and one bad round moves no border. Fewer than six values cannot say so much: the lowest and the
    highest.
    """
    ordered, count = sorted(values), len(values)
    outside, below = 0, 1
    # `below` of 2**count outcomes have at most `outside` values on one side of the true median
    while below * 40 <= 2**count:
        outside += 1
        below += math.comb(count, outside)
    at = max(outside - 1, 0)
    return Spread(statistics.median(ordered), ordered[at], ordered[-1 - at])
