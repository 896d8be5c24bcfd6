"""Fair shares of a resource that all tenants use: threads, and requests under way.

A tenant may hold as many as are free. The first may take a half, two together two thirds, and so on: however
many are greedy, something stays free for the next. No tenant is known beforehand, and no quota stands unused.
Example, for 64 threads: a registry whose name server hangs holds 32 of them, two such registries 21 each.
"""

from collections.abc import Callable
from typing import TypeVar

from sidecar.errors import UpstreamUnreachable
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.threads import Threads

WAIT_SECONDS = 20.0
"""For a thread: below the 30 s after which pip and uv give up on silence"""

Result = TypeVar("Result")


class Shares:
    """Counts what each tenant holds, by its key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._held: dict[object, int] = {}

    @property
    def taken(self) -> int:
        return self._taken

    def room(self, key: object) -> int:
        """How many more the tenant may hold; negative if it holds more than are free."""
        return self._limit - self._taken - self._held.get(key, 0)

    def take(self, key: object) -> bool:
        """Take one, if the tenant may hold another one."""
        if self.room(key) <= 0:
            return False
        self._held[key] = self._held.get(key, 0) + 1
        self._taken += 1
        return True

    def leave(self, key: object) -> None:
        self._taken -= 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]


class SharedThreads:
    """The threads of all tenants. Runs in the loop's thread but for the calls themselves."""

    def __init__(self, loop: Loop, limit: int) -> None:
        self.loop = loop
        self.threads = Threads(loop, limit)
        self.shares = Shares(limit)
        self.waiting: dict[Task, None] = {}
        """Tasks whose tenants hold enough, the longest wait first"""

    def wake_waiting(self) -> None:
        for task in self.waiting:
            self.loop.wake(task)


class TenantThreads(Threads):
    """One tenant's share of the threads."""

    def __init__(self, shared: SharedThreads, key: str) -> None:
        super().__init__(shared.loop, 0)
        self._shared = shared
        self._key = key

    async def run(self, function: Callable[[], Result]) -> Result:
        """As `Threads.run`. Raises UpstreamUnreachable if no thread becomes free in time."""
        await self._take()
        try:
            return await self._shared.threads.run(function)
        finally:
            self._shared.shares.leave(self._key)
            self._shared.wake_waiting()

    async def _take(self) -> None:
        shared, task = self._shared, self._shared.loop.current
        deadline = shared.loop.now + WAIT_SECONDS
        while not shared.shares.take(self._key):
            if shared.loop.now >= deadline:
                raise UpstreamUnreachable(f"no thread became free within {WAIT_SECONDS:.0f} s")
            shared.waiting[task] = None
            await shared.loop.suspend(deadline)
            shared.waiting.pop(task, None)
