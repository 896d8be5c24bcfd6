"""How many addresses the Connectors of one namespace may have the broker try by changing.

Whoever writes Connectors could else walk through the cluster's network as fast as the API server takes
patches. A look that ends well is given back, so that a thousand registries that are there are told as soon as
ever; looks that are merely repeated (`schedule`) are not counted.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

BURST = 100
"""Failed looks of a namespace at once: an administrator who corrects an address again and again does not come
to its end, nor does a namespace whose registries are all away."""

REFILL_SECONDS = 5.0
"""Until one more may fail: 720 addresses in an hour, where a scan of one machine's ports takes 65,535."""

_LOOK_SECONDS = 0.5
"""Between two looks whether there is room, of the first in a namespace's line; arbitrary"""


class Pace:
    """A bucket for each namespace; `clock` tells monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """When nothing is owed any more; of those that owe"""
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of namespaces where somebody enters: first come, first served"""

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
