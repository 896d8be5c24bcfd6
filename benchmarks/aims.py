"""The aims for the sidecar's figures, and whether the figures reach them."""

from typing import NamedTuple

from benchmarks.rounds import Samples, Spread, interval, ratios
from benchmarks.subjects import DIRECT, NGINX, SIDECAR, UVICORN


class Aim(NamedTuple):
    figure: str
    metric: str
    limit: float
    reference: str | None = None
    """The sidecar's value is divided by this subject's value of the same round; None: its own value counts"""
    unit: str = ""
    is_least: bool = False
    """The limit is the lowest wanted value, else the highest"""

    @property
    def text(self) -> str:
        unit = f"x {self.reference}" if self.reference else f" {self.unit}"
        return f"{'≥' if self.is_least else '≤'} {self.limit:g}{unit}"

    def reached(self, samples: Samples, subject: str = SIDECAR) -> Spread | None:
        """Median and interval; None if this was not measured."""
        if self.reference:
            values = ratios(samples, subject, self.reference, self.metric)
        else:
            values = [sample[self.metric] for sample in samples.get(subject, []) if self.metric in sample]
        return interval(values) if values else None

    def verdict(self, reached: Spread) -> str:
        """The verdict by the median. `not settled`: another run could say the opposite."""
        are_met = [self._is_met(value) for value in (reached.median, reached.lowest, reached.highest)]
        word = "met" if are_met[0] else "not met"
        return word if len(set(are_met)) == 1 else f"{word}, not settled"

    def _is_met(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit


AIMS = (
    Aim("Spawn to first 200 through TLS", "start_ms", 40, unit="ms"),
    Aim("Spawn to first 200 through TLS", "start_ms", 0.3, UVICORN),
    Aim("Anonymous memory that a further Pod adds", "added_anonymous", 8, unit="MiB"),
    Aim("20 KB, 1 connection: p50", "p50_1", 1.1, NGINX),
    Aim("20 KB, 16 connections: requests/s", "rate_16", 0.5, NGINX, is_least=True),
    Aim("20 KB, 16 connections: p99", "p99_16", 3, NGINX),
    Aim("20 KB, 50 connections: requests/s", "rate_50", 0.5, NGINX, is_least=True),
    Aim("20 KB, 50 connections: p99", "p99_50", 3, NGINX),
    Aim("1 GiB down", "down_s", 1.3, DIRECT),
    Aim("1 GiB down: CPU", "down_cpu_s", 1, NGINX),
    Aim("1 GiB up", "up_s", 1, NGINX),
    Aim("1 GiB up: peak over idle", "up_growth", 4, unit="MiB"),
    Aim("Index page of 5 MB, 20,000 links rewritten", "page_ms", 1.1, NGINX),
    Aim("uv pip install, 60 cold wheels", "uv_s", 1.05, DIRECT),
    Aim("pip install, 60 cold wheels", "pip_s", 1.03, DIRECT),
)
