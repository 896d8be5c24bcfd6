"""The API server's own histograms: the difference of two readings. Pure.

They come in the text format of Prometheus, with lines `name{label="value",…} number`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"(?P<name>[a-z_]+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations in seconds."""

    count: float
    sum: float
    up_to: Mapping[float, float]
    """Upper bound → number of observations that are not above it"""

    def since(self, before: "Histogram") -> "Histogram":
        up_to = {bound: count - before.up_to.get(bound, 0.0) for bound, count in self.up_to.items()}
        return Histogram(self.count - before.count, self.sum - before.sum, up_to)

    def share_up_to(self, bound: float) -> float:
        """The share of the observations that are not above `bound`, a bound of the histogram."""
        return self.up_to[bound] / self.count


def histogram(text: str, name: str, label: str, prefix: str) -> Histogram:
    """The sum of all series with this name whose label begins with `prefix`."""
    count = total = 0.0
    up_to: dict[float, float] = {}
    for line in text.splitlines():
        if not line.startswith(name) or (series := _LINE.match(line)) is None:
            continue
        labels = dict(_LABEL.findall(series["labels"]))
        if not labels.get(label, "").startswith(prefix):
            continue
        value = float(series["value"])
        match series["name"].removeprefix(name):
            case "_count":
                count += value
            case "_sum":
                total += value
            case "_bucket":
                bound = float(labels["le"])
                up_to[bound] = up_to.get(bound, 0.0) + value
    return Histogram(count, total, up_to)
