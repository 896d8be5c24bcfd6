"""The event loop: one thread in which coroutines wait for sockets, each with a limit.

Threads that block were measured first: from two busy ones on they spend more time on handing the
interpreter's lock to each other than on requests. asyncio is not used, for importing it takes as long as the
rest of the start.

A socket is registered with epoll(7) once, edge-triggered: no system call per wait. So whoever waits must have
tried first, and an event only says that trying again is worth while.
"""

import math
import os
import select
import time
import types
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Protocol

_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Source(Protocol):
    """What a descriptor's events are told to."""

    def on_events(self, mask: int) -> None:
        """`mask`: select.EPOLL*. Must not wait, close or register anything but what it has accepted."""


class Task:
    """A coroutine under way."""

    __slots__ = ("coroutine", "deadline", "is_queued")

    def __init__(self, coroutine: Coroutine[None, None, None]) -> None:
        self.coroutine = coroutine
        self.deadline = math.inf
        self.is_queued = False


class Loop:
    """Everything here belongs to the thread of `run`, save `wake_from_thread` and `stop`."""

    def __init__(self) -> None:
        self.now = time.monotonic()
        """Seconds, as of the last look at the sockets: a limit needs no clock of its own for each wait"""
        self.current: Task
        """The task that runs; there is none before `run`"""
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._tasks: set[Task] = set()
        self._queue: deque[Task] = deque()
        self._sweep_at = math.inf
        self._is_stopped = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._woken: deque[Task] = deque()
        self._epoll.register(self._bell, select.EPOLLIN)

    def register(self, descriptor: int, source: Source, events: int = _EVENTS) -> None:
        """Raises OSError where the kernel has no room for one more."""
        self._epoll.register(descriptor, events)
        self._sources[descriptor] = source

    def unregister(self, descriptor: int) -> None:
        """It stays open, and its events are told to nobody."""
        self._epoll.unregister(descriptor)
        self._sources.pop(descriptor, None)

    def forget(self, descriptor: int) -> None:
        """Before it is closed, which takes it out of epoll too."""
        self._sources.pop(descriptor, None)

    def spawn(self, coroutine: Coroutine[None, None, None]) -> Task:
        """Have it run in the next round. It must not raise."""
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
        """Ends `run` before the next task's turn; what is under way is left as it is. For any thread."""
        self._is_stopped = True
        os.eventfd_write(self._bell, 1)

    @types.coroutine
    def suspend(self, deadline: float = math.inf) -> Generator[None, None, None]:
        """Until somebody wakes this task, or the deadline. Returns too often rather than too rarely."""
        self.current.deadline = deadline
        if deadline < self._sweep_at:
            self._sweep_at = deadline
        yield

    @types.coroutine
    def pause(self) -> Generator[None, None, None]:
        """Let the others have their turn: a fast stream to a fast client never has to wait for anything."""
        self.wake(self.current)
        yield

    def run(self) -> None:
        """Until `stop`."""
        while not self._is_stopped:
            self._look()
            self._take_turns()

    def _look(self) -> None:
        """Wait for events, unless there are tasks to run, and tell who waited for them."""
        timeout = 0.0 if self._queue else max(0.0, self._sweep_at - time.monotonic())
        events = self._epoll.poll(None if timeout == math.inf else timeout)
        self.now = time.monotonic()
        # found before any is told: a descriptor that one of them closes may be another's at once
        for source, descriptor, mask in [(self._sources.get(one), one, mask) for one, mask in events]:
            if source is not None:
                source.on_events(mask)
            elif descriptor == self._bell:
                self._answer_bell()
        if self.now >= self._sweep_at:
            self._sweep()

    def _take_turns(self) -> None:
        """One turn for each task that was woken; who is woken meanwhile has the next round."""
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
            task.is_queued = True  # so that a late thread or event wakes it never again

    def _answer_bell(self) -> None:
        os.eventfd_read(self._bell)
        while self._woken:
            self.wake(self._woken.popleft())

    def _sweep(self) -> None:
        """Wake those whose time is up, and find out when the next one's is."""
        self._sweep_at = math.inf
        for task in self._tasks:
            if task.deadline <= self.now:
                self.wake(task)
            elif task.deadline < self._sweep_at:
                self._sweep_at = task.deadline
