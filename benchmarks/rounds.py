"""Rounds in shuffled order, and their statistics: medians, and ratios within a round."""

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
    """Run a round that fills caches and does not count, then `count` rounds, in shuffled order."""
    samples: dict[str, list[Sample]] = {subject: [] for subject in measure}
    for number in range(count + 1):
        order = random.sample(list(measure), len(measure))
        for subject in order:
            _show(f"{label}: round {number} of {count}, {subject}")
            sample = measure[subject]()
            if number:
                samples[subject].append(sample)
    _show("")
    return samples


def _show(text: str) -> None:
    """Show the progress on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def median(samples: Samples, subject: str, metric: str) -> float | None:
    """None if this metric of this subject was not measured."""
    values = [sample[metric] for sample in samples.get(subject, []) if metric in sample]
    return statistics.median(values) if values else None


def ratios(samples: Samples, subject: str, reference: str, metric: str) -> list[float]:
    """Ratios of values of the same round: the machine's speed changes from round to round."""
    pairs = zip(samples.get(subject, []), samples.get(reference, []), strict=False)
    return [own[metric] / other[metric] for own, other in pairs if metric in own and other.get(metric)]


def difference(samples: Samples, subject: str, reference: str, metric: str) -> Spread | None:
    """Median, lowest and highest difference of values of the same round."""
    pairs = zip(samples.get(subject, []), samples.get(reference, []), strict=False)
    values = [own[metric] - other[metric] for own, other in pairs if metric in own and metric in other]
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def interval(values: Sequence[float]) -> Spread:
    """The median, and two of the values: with 95 % or more, the true median lies between them.

    By the sign test: each value is as likely above the true median as below it. So nothing is supposed of the
    noise, and a single bad round moves no border. Fewer than six values cannot say so much; then the borders
    are the lowest and the highest value.
    """
    ordered, count = sorted(values), len(values)
    outside, below = 0, 1
    # `below` of 2**count outcomes have at most `outside` values on one side of the true median
    while below * 40 <= 2**count:
        outside += 1
        below += math.comb(count, outside)
    at = max(outside - 1, 0)
    return Spread(statistics.median(ordered), ordered[at], ordered[-1 - at])
