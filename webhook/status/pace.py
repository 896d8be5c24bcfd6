"""Limits how fast the broker probes the new or changed Connectors of a namespace.

Without a limit, an author of Connectors could scan the cluster's network as fast as the API server accepts
patches. A probe that succeeds is given back: a thousand registries that answer get their status at once.
Repeated probes (`schedule`) do not count.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

BURST = 100
"""Failed probes of a namespace at once. It is enough for an administrator who corrects an address again and
again, and for a namespace whose registries are all down."""

REFILL_SECONDS = 5.0
"""Until one more probe may fail: 720 addresses in an hour. A scan of one machine's ports needs 65,535."""

_CHECK_SECONDS = 0.5
"""Pause before the first probe in a namespace's queue checks for room again; arbitrary"""


class Pace:
    """A token bucket for each namespace; `clock` returns monotonic seconds.

    A bucket is a single number: the time at which it will be full. Each probe moves that time 5 s away. A
    bucket is empty once the time is 500 s away (`BURST` times `REFILL_SECONDS`). Example at second 1000:

    | event               | full at | room for more probes |
    |---------------------|---------|----------------------|
    | none before         | 1000    | 100                  |
    | 100 probes          | 1500    | 0                    |
    | 1 of them succeeds  | 1495    | 1                    |
    | 10 seconds pass     | 1495    | 3                    |
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """Namespace → time at which its bucket will be full. Namespaces with a full bucket are left out"""
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """A queue for each namespace in which a probe waits: first come, first served"""

    async def enter(self, namespace: str) -> None:
        """Wait for room, and take it."""
        queue = self._queues.setdefault(namespace, asyncio.Lock())
        async with queue:
            while not self.take(namespace):
                await asyncio.sleep(_CHECK_SECONDS)

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
