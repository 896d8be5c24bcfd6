"""The Events that this process remembers, each with its repeats, within fixed limits. No input or output.

Times are monotonic seconds, unless a name says otherwise.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from webhook.limits.fairness import may_take

EVENTS_LIMIT = 2000
"""Events remembered, at about 1 KiB each. A new Event evicts the least recently used written Event. Events
that wait to be written share these places by namespace (`webhook.limits.fairness`)."""

EVENTS_PER_OBJECT_LIMIT = 16
SPAN_SECONDS = 300.0
"""At most 16 different Events of the same object in five minutes. A Pod's author chooses some words of a
refusal, and could fill etcd with Events. client-go allows 25, and then one in five minutes."""


@dataclass(slots=True)
class Series:
    """An Event and its repeats."""

    body: dict[str, Any]
    once: bool
    first_timestamp: str
    last_timestamp: str
    unwritten: int = 0
    """Repeats since the last write"""
    count: int = 0
    """The API server's count; 0 before the first write"""
    written_at: float | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def regarding(self) -> dict[str, str]:
        reference: dict[str, str] = self.body["involvedObject"]
        return reference

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"]["namespace"])


class SeriesMemory:
    """`period_seconds`: least time between two writes of the same Event."""

    def __init__(self, period_seconds: float) -> None:
        self._period_seconds = period_seconds
        self._series: OrderedDict[str, Series] = OrderedDict()
        """By key; the least recently used first"""
        self._turns: dict[str, int] = {}
        """Namespace → number of its last write"""

    def get(self, key: str) -> Series | None:
        return self._series.get(key)

    def add(self, series: Series, now: float) -> bool:
        """False: there is no room, and nothing old enough to evict."""
        has_room = self._make_room(series, now)
        if has_room:
            self._series[series.key] = series
        return has_room

    def remove(self, series: Series) -> None:
        self._series.pop(series.key, None)

    def mark_as_used(self, series: Series) -> None:
        self._series.move_to_end(series.key)

    def take_due(self, now: float) -> Series | None:
        """The series to write now.

        Namespaces take turns: beside a thousand Events of one namespace, another waits for a single write.
        """
        due = [series for series in self._waiting() if self._due(series) <= now]
        if not due:
            return None
        series = min(due, key=lambda series: self._turns.get(series.namespace, 0))
        number = 1 + max(self._turns.values(), default=0)
        remembered = {series.namespace for series in self._series.values()}
        self._turns = {name: turn for name, turn in self._turns.items() if name in remembered}
        self._turns[series.namespace] = number
        return series

    def next_due(self) -> float | None:
        """None: nothing waits to be written."""
        return min(map(self._due, self._waiting()), default=None)

    def _waiting(self) -> list[Series]:
        return [series for series in self._series.values() if series.unwritten]

    def _due(self, series: Series) -> float:
        return 0.0 if series.written_at is None else series.written_at + self._period_seconds

    def _make_room(self, series: Series, now: float) -> bool:
        of_object = [other for other in self._series.values() if other.regarding == series.regarding]
        if len(of_object) >= EVENTS_PER_OBJECT_LIMIT and not self._evict(of_object, now - SPAN_SECONDS):
            return False
        waiting = [other.namespace for other in self._waiting()]
        if not may_take(waiting.count(series.namespace), EVENTS_LIMIT - len(waiting)):
            return False
        return len(self._series) < EVENTS_LIMIT or self._evict(list(self._series.values()), now)

    def _evict(self, candidates: list[Series], latest: float) -> bool:
        """Evict the least recently used candidate without unwritten repeats, last written at `latest`."""
        for series in candidates:
            if not series.unwritten and series.written_at is not None and series.written_at <= latest:
                del self._series[series.key]
                return True
        return False
