"""A semaphore whose places are shared out by namespace, by the rules of `webhook.limits.fairness`."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.limits.fairness import next_namespace


class FairSlots:
    """A fixed number of places. Within a namespace, the first to arrive is first."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Namespace → queue. A new namespace comes last, and a namespace moves to the end after its turn"""

    @asynccontextmanager
    async def hold(self, namespace: str) -> AsyncIterator[None]:
        """Hold a place for as long as the context lasts."""
        await self._take(namespace)
        try:
            yield
        finally:
            self._give_back(namespace)

    async def _take(self, namespace: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(place)
        self._share_out()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # the place arrived at the moment of the cancellation
                self._give_back(namespace)
            raise

    def _give_back(self, namespace: str) -> None:
        self._free += 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]
        self._share_out()

    def _share_out(self) -> None:
        while (namespace := next_namespace(self._waiting, self._held, self._free)) is not None:
            place = self._waiting[namespace].popleft()
            if not self._waiting[namespace]:
                del self._waiting[namespace]
            if place.cancelled():  # the waiting task is gone: not a turn
                continue
            if namespace in self._waiting:
                self._waiting.move_to_end(namespace)
            self._free -= 1
            self._held[namespace] += 1
            place.set_result(None)
