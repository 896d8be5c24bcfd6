"""Concurrency limits, in total and per peer: a peer with many requests waits, and delays no other peer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Slots:
    """A semaphore for each peer with requests, in front of a semaphore for all."""

    def __init__(self, limit: int, limit_per_peer: int) -> None:
        self._all = asyncio.Semaphore(limit)
        self._limit_per_peer = limit_per_peer
        self._peers: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @contextlib.asynccontextmanager
    async def slot(self, peer: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while entered."""
        own, users = self._peers.get(peer) or (asyncio.Semaphore(self._limit_per_peer), 0)
        self._peers[peer] = own, users + 1
        try:
            # in this order: a request that waits for its own peer holds no place of all
            async with own, self._all:
                yield
        finally:
            own, users = self._peers.pop(peer)  # requests of this peer may have come or gone meanwhile
            if users > 1:
                self._peers[peer] = own, users - 1
