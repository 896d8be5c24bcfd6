"""The API server's own histograms, read before and after: what happened between. Pure.

Text format of Prometheus: `name{label="value",…} number`, a line each.
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
    """Upper bound → how many observations are not above it"""

    def since(self, before: "Histogram") -> "Histogram":
        up_to = {bound: count - before.up_to.get(bound, 0.0) for bound, count in self.up_to.items()}
        return Histogram(self.count - before.count, self.sum - before.sum, up_to)

    def share_up_to(self, bound: float) -> float:
        """Of all observations, those not above a bound that is one of the histogram's own."""
        return self.up_to[bound] / self.count


def histogram(text: str, name: str, label: str, prefix: str) -> Histogram:
    """All series of that name, of which that label begins with `prefix`, added up."""
    count = total = 0.0
    up_to: dict[float, float] = {}
    for line in text.splitlines():
        if not line.startswith(name) or (found := _LINE.match(line)) is None:
            continue
        labels = dict(_LABEL.findall(found["labels"]))
        if not labels.get(label, "").startswith(prefix):
            continue
        value = float(found["value"])
        match found["name"].removeprefix(name):
            case "_count":
                count += value
            case "_sum":
                total += value
            case "_bucket":
                bound = float(labels["le"])
                up_to[bound] = up_to.get(bound, 0.0) + value
    return Histogram(count, total, up_to)
