"""Places for work under way, shared out by namespace as `webhook.fairness` says: a semaphore with manners."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.fairness import next_namespace


class FairSlots:
    """So many places at once. Within a namespace, whoever came first is first."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By namespace; a turn, and a new arrival, put it last"""

    @asynccontextmanager
    async def hold(self, namespace: str) -> AsyncIterator[None]:
        """A place, for as long as the context lasts."""
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
            if not place.cancelled():  # it was given in the very moment of the cancellation
                self._give_back(namespace)
            raise

    def _give_back(self, namespace: str) -> None:
        self._free += 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]
        self._share_out()

    def _share_out(self) -> None:
        while namespace := next_namespace(self._waiting, self._held, self._free):
            place = self._waiting[namespace].popleft()
            if not self._waiting[namespace]:
                del self._waiting[namespace]
            if place.cancelled():  # whoever waited is gone, and it was no turn
                continue
            if namespace in self._waiting:
                self._waiting.move_to_end(namespace)
            self._free -= 1
            self._held[namespace] += 1
            place.set_result(None)
