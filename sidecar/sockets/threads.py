"""Threads for calls that block: name look-ups, TLS handshakes, questions to the broker.

A task queues a call and waits. A thread takes the call, runs it, and wakes the task through the loop. Threads
and the loop share the queue and two counts, under `_changed`. A call needs no lock: its thread writes it, and
the loop reads it only once `is_done` is set, as the last thing.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.errors import UpstreamUnreachable
from sidecar.sockets.loop import Loop, Task

THREAD_LIMIT = 64
"""uv opens up to 50 connections at once, and a dead name server holds each for seconds"""
SPARE_SECONDS = 10.0
"""An idle thread ends after this; arbitrary, longer than the pauses within one install"""

Result = TypeVar("Result")


class _Call(Generic[Result]):
    """A thread fills it, and then the loop reads it."""

    def __init__(self, function: Callable[[], Result], task: Task) -> None:
        self.function = function
        self.task = task
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self.is_done = False

    def run(self) -> None:
        try:
            self.results.append(self.function())
        except BaseException as error:  # noqa: BLE001 (raised again in the calling task)
            self.error = error
        self.is_done = True


class Threads:
    """As many threads as calls need, up to a limit. Idle threads end."""

    def __init__(self, loop: Loop, limit: int = THREAD_LIMIT) -> None:
        self._loop = loop
        self._limit = limit
        self._changed = threading.Condition()
        self._calls: deque[_Call[object]] = deque()
        self._idle = 0
        self._count = 0

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call the function in a thread, while the loop goes on; return its result, or raise its error."""
        call = _Call(function, self._loop.current)
        self._submit(call)  # type: ignore[arg-type]
        while not call.is_done:
            await self._loop.suspend(math.inf)
        return self._end(call)

    def _end(self, call: _Call[Result]) -> Result:
        try:
            if call.error is not None:
                raise call.error
            return call.results[0]
        finally:
            call.error = None  # the traceback refers to the call: a cycle, with the request in it

    def _submit(self, call: _Call[object]) -> None:
        with self._changed:
            self._calls.append(call)
            if self._idle >= len(self._calls) or self._count >= self._limit:
                self._changed.notify()
                return
            self._count += 1
        try:
            threading.Thread(target=self._work, daemon=True).start()
        except RuntimeError as error:  # the Pod's limit of processes; existing threads go on
            with self._changed:
                self._count -= 1
                if not self._count:
                    self._calls.remove(call)
                    raise UpstreamUnreachable("the limit of threads is reached: raise the Pod's") from error

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            self._loop.wake_from_thread(call.task)

    def _next(self) -> _Call[object] | None:
        deadline = time.monotonic() + SPARE_SECONDS
        with self._changed:
            self._idle += 1
            try:
                while not self._calls:
                    if not self._changed.wait(deadline - time.monotonic()) and not self._calls:
                        self._count -= 1
                        return None
                return self._calls.popleft()
            finally:
                self._idle -= 1
