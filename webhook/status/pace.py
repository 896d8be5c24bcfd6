"""The pace at which new or changed Connectors of one namespace may have the broker try addresses.

Without it, an author of Connectors could scan the cluster's network as fast as the API server takes patches.
A look that ends well is given back: a thousand registries that answer get their status without a delay.
Repeated looks (`schedule`) do not count.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

BURST = 100
"""Failed looks of a namespace at once. An administrator who corrects an address again and again does not use
it up, nor does a namespace whose registries are all away."""

REFILL_SECONDS = 5.0
"""Until one more look may fail: 720 addresses in an hour; a scan of one machine's ports takes 65,535."""

_LOOK_SECONDS = 0.5
"""Pause before the first in a namespace's queue checks again for room; arbitrary"""


class Pace:
    """A bucket for each namespace; `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """Namespace → time at which its bucket is full again; without namespaces whose bucket is full"""
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """A queue for each namespace in which a look waits: first come, first served"""

    async def enter(self, namespace: str) -> None:
        """Wait for room, and take it."""
        line = self._lines.setdefault(namespace, asyncio.Lock())
        async with line:
            while not self.take(namespace):
                await asyncio.sleep(_LOOK_SECONDS)

    def take(self, namespace: str) -> bool:
        now = self._clock()
        full_at = max(self._full_at.get(namespace, now), now)
        if full_at - now > (BURST - 1) * REFILL_SECONDS:
            return False
        self._full_at[namespace] = full_at + REFILL_SECONDS
        return True

    def give_back(self, namespace: str) -> None:
        full_at = self._full_at.pop(namespace, 0.0) - REFILL_SECONDS
        if full_at > self._clock():
            self._full_at[namespace] = full_at

    @property
    def remembered(self) -> int:
        return len(self._full_at)
