"""Places at the registry: as many requests at once as the Connector allows. Others wait in a queue."""

from collections import deque

from sidecar.contract.words import Code
from sidecar.errors import ClientGone, Refusal
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.wire import Wire

WAIT_SECONDS = 20.0
"""Longest wait for a place. pip and uv give up after 30 s of silence; earlier they read our sentence and try
again"""
RETRY_SECONDS = 2
"""For Retry-After; arbitrary. A request that comes again joins the end of the queue"""


class _Waiter:
    __slots__ = ("has_place", "task")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.has_place = False


class Places:
    """The places of one connector. A caller that took a place must leave it, whatever happens."""

    def __init__(self, loop: Loop, wait_seconds: float = WAIT_SECONDS) -> None:
        self._loop = loop
        self._wait_seconds = wait_seconds
        self._taken = 0
        self._limit = 0
        self._line: deque[_Waiter] = deque()

    def take_free(self, limit: int) -> bool:
        """Take a place without a wait, if a place is free and the queue is empty."""
        self._limit = limit  # the limit of the newest grant in use
        if self._taken >= limit or self._line:
            return False
        self._taken += 1
        return True

    async def take(self, client: Wire) -> None:
        """Wait for a place. Raises ClientGone, or a 503 after `WAIT_SECONDS`: without a place to leave."""
        waiter = _Waiter(self._loop.current)
        self._line.append(waiter)
        deadline = self._loop.now + self._wait_seconds
        while not waiter.has_place:
            if client.is_gone or self._loop.now >= deadline:
                self._line.remove(waiter)
                raise ClientGone if client.is_gone else self._too_busy()
            await self._loop.suspend(deadline)

    def leave(self) -> None:
        self._taken -= 1
        while self._line and self._taken < self._limit:
            waiter = self._line.popleft()
            waiter.has_place = True
            self._taken += 1
            self._loop.wake(waiter.task)

    def _too_busy(self) -> Refusal:
        sentence = (
            f"{self._limit} requests of this Pod are at the registry, and there was no place for another one "
            f"within {self._wait_seconds:.0f} s: try again, or raise the Connector's parameter maxConnections"
        )
        return Refusal(503, Code.REGISTRY_BUSY, sentence, retry_after=RETRY_SECONDS)
