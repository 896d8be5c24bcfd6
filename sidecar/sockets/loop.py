"""The event loop: one thread in which coroutines wait for sockets, each with a limit.

Blocking threads were measured first. From two busy threads on, they spend more time on handing over the
interpreter's lock than on requests. asyncio is not used: its import takes as long as the rest of the start.

A socket is registered with epoll(7) once, edge-triggered, so a wait takes no system call. A task must try
before it waits, and an event only means that another try is worth while.
"""

import math
import os
import select
import time
import types
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Protocol

from sidecar.sockets.watches import Watches

_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Source(Protocol):
    """Receives the events of a descriptor."""

    def on_events(self, mask: int) -> None:
        """`mask`: select.EPOLL*. Must not wait, and may close or register only what it has accepted."""


class Task:
    """A coroutine under way."""

    __slots__ = ("coroutine", "deadline", "is_queued")

    def __init__(self, coroutine: Coroutine[None, None, None]) -> None:
        self.coroutine = coroutine
        self.deadline = math.inf
        self.is_queued = False


class Loop:
    """Only `wake_from_thread` and `stop` may be called outside the thread of `run`."""

    def __init__(self) -> None:
        self.now = time.monotonic()
        """Seconds, as of the last poll: waits need no further call of the clock"""
        self.current: Task
        """The task whose turn it is. Read it only within a task: not in `on_events`, and not before `run`"""
        self._watches = Watches()
        self._sources: dict[int, Source] = {}
        self._tasks: set[Task] = set()
        self._queue: deque[Task] = deque()
        self._sweep_at = math.inf
        self._is_stopped = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._woken: deque[Task] = deque()
        self._watches.add(self._bell, select.EPOLLIN)

    def register(self, descriptor: int, source: Source, events: int = _EVENTS) -> None:
        """Raises OSError if the kernel cannot watch it."""
        self._watches.add(descriptor, events)
        self._sources[descriptor] = source

    def unregister(self, descriptor: int) -> None:
        """Ignore its events from now on; it stays open."""
        self._watches.remove(descriptor)
        self._sources.pop(descriptor, None)

    def forget(self, descriptor: int) -> None:
        """Call this before the descriptor is closed."""
        self._watches.forget(descriptor)
        self._sources.pop(descriptor, None)

    def spawn(self, coroutine: Coroutine[None, None, None]) -> Task:
        """Start it in the next round. It must not raise."""
        task = Task(coroutine)
        self._tasks.add(task)
        self.wake(task)
        return task

    def wake(self, task: Task) -> None:
        if not task.is_queued:
            task.is_queued = True
            self._queue.append(task)

    def wake_from_thread(self, task: Task) -> None:
        self._woken.append(task)
        os.eventfd_write(self._bell, 1)

    def stop(self) -> None:
        """End `run` before the next task's turn, and leave all tasks as they are. For any thread."""
        self._is_stopped = True
        os.eventfd_write(self._bell, 1)

    @types.coroutine
    def suspend(self, deadline: float = math.inf) -> Generator[None, None, None]:
        """Wait until this task is woken, or until the deadline. May return early."""
        self.current.deadline = deadline
        if deadline < self._sweep_at:
            self._sweep_at = deadline
        yield

    @types.coroutine
    def pause(self) -> Generator[None, None, None]:
        """Let other tasks have their turn: a fast stream to a fast client never waits."""
        self.wake(self.current)
        yield

    def run(self) -> None:
        """Until `stop`."""
        while not self._is_stopped:
            self._look()
            self._take_turns()

    def _look(self) -> None:
        """Poll for events, and hand them to their sources. Does not wait while tasks are ready."""
        timeout = 0.0 if self._queue else max(0.0, self._sweep_at - time.monotonic())
        events = self._watches.look(None if timeout == math.inf else timeout)
        self.now = time.monotonic()
        # All sources are looked up first. Example: an event evicts the connection with descriptor 7, the next
        # accepts a client, which becomes the new 7. An event of the old 7 must not reach the new 7.
        for source, descriptor, mask in [(self._sources.get(each), each, mask) for each, mask in events]:
            if source is not None:
                source.on_events(mask)
            elif descriptor == self._bell:
                self._answer_bell()
        if self.now >= self._sweep_at:
            self._sweep()

    def _take_turns(self) -> None:
        """A turn for each task that is queued. A task that is woken meanwhile waits for the next round."""
        for _ in range(len(self._queue)):
            if self._is_stopped:
                return
            self._step(self._queue.popleft())

    def _step(self, task: Task) -> None:
        task.is_queued = False
        task.deadline = math.inf
        self.current = task
        try:
            task.coroutine.send(None)
        except StopIteration:
            self._tasks.discard(task)
            task.is_queued = True  # so that no late thread or event wakes it again

    def _answer_bell(self) -> None:
        os.eventfd_read(self._bell)
        while self._woken:
            self.wake(self._woken.popleft())

    def _sweep(self) -> None:
        """Wake the tasks whose deadline has passed, and note the next deadline."""
        self._sweep_at = math.inf
        for task in self._tasks:
            if task.deadline <= self.now:
                self.wake(task)
            elif task.deadline < self._sweep_at:
                self._sweep_at = task.deadline
