"""Work at the same time, in all and per peer: a peer with many requests waits, and nobody waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Slots:
    """A semaphore per peer, for as long as it has requests, in front of one for all."""

    def __init__(self, most: int, most_per_peer: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._most_per_peer = most_per_peer
        self._peers: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @contextlib.asynccontextmanager
    async def slot(self, peer: str) -> AsyncIterator[None]:
        """Waits for a turn."""
        own, users = self._peers.get(peer) or (asyncio.Semaphore(self._most_per_peer), 0)
        self._peers[peer] = own, users + 1
        try:
            async with own, self._all:
                yield
        finally:
            own, users = self._peers.pop(peer)
            if users > 1:
                self._peers[peer] = own, users - 1
