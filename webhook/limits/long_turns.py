"""Turns for work that holds up the event loop: one at a time, shared out by namespace, with pauses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.limits.fair_slots import FairSlots

PAUSE_LIMIT = 0.1
"""Seconds: the work on the largest Pod. A turn may last longer because it waits for the API server, which
holds up nobody."""


class LongTurns:
    """Turns of one event loop.

    Between two turns there is a pause, as long as the turn before it took. A usual request needs a dozen
    passes of the loop: TLS, head, body, lookups, answer. Without pauses each pass could bring a turn. In a
    pause the request gets all of its passes, so it meets a single turn at most.
    """

    def __init__(self) -> None:
        self._slots = FairSlots(1)
        self._pause_end = 0.0

    @asynccontextmanager
    async def take(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for as long as the context lasts."""
        loop = asyncio.get_running_loop()
        async with self._slots.hold(namespace):
            await asyncio.sleep(self._pause_end - loop.time())
            begin = loop.time()
            try:
                yield
            finally:
                end = loop.time()
                self._pause_end = max(self._pause_end, end + min(end - begin, PAUSE_LIMIT))
