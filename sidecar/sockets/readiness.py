"""Whether a socket can be read and written, by its last event or attempt; waits for that, with a limit.

epoll(7) is edge-triggered here, so it reports a change once, and two flags remember it:

Flag         | set by                                 | cleared by
------------ | -------------------------------------- | ------------------------------------------------
_is_readable | data or an end; TLS: room to send too  | a read that blocks; a short read, without TLS
_is_writable | room to send                           | a send that blocks; TLS that must send to read on

A flag that is set too often costs an attempt. A flag that is cleared too often hangs its task to the limit.

A wait can watch another connection: a client that leaves ends the wait for the registry.
"""

import fcntl
import select
import socket
import ssl
import termios
from collections.abc import Awaitable
from typing import Protocol

from sidecar.sockets.loop import Loop, Task

_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_READABLE = select.EPOLLIN | _GONE
_WRITABLE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_LOOK_SECONDS = 0.01  # between two looks at a queue that no event reports; arbitrary


class WireTimeout(Exception):
    """Nothing moved within the phase's limit."""


class WaitEnded(Exception):
    """The watched thing ended the wait."""


class Watched(Protocol):
    """Something else that ends a wait. A wait looks before it suspends, so its events must wake the task."""

    @property
    def ends_wait(self) -> bool: ...


class Readiness:
    """A non-blocking socket of one task at a time, its owner, which every event wakes."""

    __slots__ = ("_is_plain", "_is_readable", "_is_writable", "_loop", "_number", "_owner", "is_gone", "sock")

    def __init__(self, sock: socket.socket, loop: Loop, owner: Task | None) -> None:
        sock.setblocking(False)
        # a read stops before an urgent byte (RFC 9293 §3.8.5), which would look as if no more had come
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.sock = sock
        self.is_gone = False
        """Whether the other end has closed at least its sending half"""
        self._owner = owner
        self._loop = loop
        self._is_plain = not isinstance(sock, ssl.SSLSocket)
        # a fresh socket is simply tried
        self._is_readable = True
        self._is_writable = True
        self._number = sock.fileno()
        loop.register(self._number, self)

    @property
    def ends_wait(self) -> bool:
        """As `Watched`: once this end is gone, no wait on its behalf goes on."""
        return self.is_gone

    def hand_over(self, task: Task | None) -> None:
        """Have events wake this task from now on; with None, no task."""
        self._owner = task

    def on_events(self, mask: int) -> None:
        """Called by the loop: the owner is to try again."""
        if mask & _READABLE:
            self._is_readable = True
            if mask & _GONE:
                self.is_gone = True
        if mask & _WRITABLE:
            self._is_writable = True
            if not self._is_plain:  # TLS may have had something to send before it could read on
                self._is_readable = True
        if self._owner is not None:
            self._loop.wake(self._owner)

    def close(self) -> None:
        if self._number >= 0:
            self._loop.forget(self._number)
            self._number = -1
            self._owner = None
        self.sock.close()

    def evict(self) -> None:
        """Close it, and wake its owner, which finds it closed."""
        owner = self._owner
        self.close()
        if owner is not None:
            self._is_readable = True
            self._loop.wake(owner)

    async def give_way(self) -> None:
        """Let other tasks have their turn."""
        await self._loop.pause()

    async def until_movable(self, seconds: float, watched: Watched) -> None:
        """Until something came, or something more can be sent. The caller has just tried both."""
        deadline = self._loop.now + seconds
        while not (self._is_readable or self._is_writable):
            await self._suspend(deadline, watched)

    async def until_taken(self, seconds: float) -> None:
        """Until the other end's system holds all that was sent, that end is gone, or the time is over."""
        deadline = self._loop.now + seconds
        while self._loop.now < deadline and not self.is_gone and self._is_anything_queued():
            await self._loop.suspend(self._loop.now + _LOOK_SECONDS)

    def _is_anything_queued(self) -> bool:
        return self._number >= 0 and any(fcntl.ioctl(self._number, termios.TIOCOUTQ, bytes(4)))

    def _note_short(self) -> None:
        """A short read: nothing is left then, says epoll(7). With TLS in between, something may be left."""
        if self._is_plain and not self.is_gone:
            self._is_readable = False

    async def _until_readable(self, deadline: float, watched: Watched | None) -> None:
        while not self._is_readable:
            await self._suspend(deadline, watched)

    async def _until_writable(self, deadline: float, watched: Watched | None) -> None:
        while not self._is_writable:
            await self._suspend(deadline, watched)

    def _suspend(self, deadline: float, watched: Watched | None) -> Awaitable[None]:
        # no coroutine of its own: each takes a step more whenever its task is woken
        if watched is not None and watched.ends_wait:
            raise WaitEnded
        if self._loop.now >= deadline:
            raise WireTimeout
        return self._loop.suspend(deadline)
