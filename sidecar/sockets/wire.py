"""One connection: a non-blocking socket, waiting with a limit, and what was read beyond the last head.

Whoever waits for one connection can watch another one: a client that leaves ends the wait for the registry.
"""

import fcntl
import select
import socket
import ssl
import termios
from typing import Protocol, TypeVar

from sidecar.http.http1 import HeadReader
from sidecar.sockets.loop import Loop, Task

_RECEIVE_SIZE = 16 * 1024  # a head and, for most small files, all of its body; also one TLS record
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_READABLE = select.EPOLLIN | _GONE
_WRITABLE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_LOOK_SECONDS = 0.01  # between two looks at what no event tells; arbitrary
_WOULD_BLOCK = (ssl.SSLWantReadError, BlockingIOError)

Reader = TypeVar("Reader", bound=HeadReader)


class WireTimeout(Exception):
    """Nothing moved within the phase's limit."""


class WireClosed(Exception):
    """The other end closed; `started` tells whether something of the message had come."""

    def __init__(self, text: str = "connection closed", *, started: bool = False) -> None:
        super().__init__(text)
        self.started = started


class WatchedClosed(Exception):
    """The watched connection closed while this one waited."""


class Watched(Protocol):
    """What else ends a wait. Looked at when the task is about to wait, so its events must wake the task."""

    @property
    def is_gone(self) -> bool: ...


class Wire:
    """Used by one task at a time, its `owner`, which every event wakes."""

    __slots__ = (
        "_failure",
        "_is_plain",
        "_is_readable",
        "_is_writable",
        "_loop",
        "_number",
        "_poll",
        "ahead",
        "is_gone",
        "owner",
        "sock",
    )

    def __init__(self, sock: socket.socket, loop: Loop, owner: Task | None) -> None:
        sock.setblocking(False)
        # a read that ends before an urgent octet (RFC 9293 §3.8.5) would pass for one that found no more
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.sock = sock
        self.owner = owner
        self.ahead = b""
        """Octets received beyond the last head"""
        self.is_gone = False
        """Whether the other end has closed at least its sending half"""
        self._loop = loop
        self._is_plain = not isinstance(sock, ssl.SSLSocket)
        # what the last event or attempt told; a fresh socket is simply tried
        self._is_readable = True
        self._is_writable = True
        self._number = sock.fileno()
        self._failure: OSError | None = None
        """What came behind octets that were still handed on: the kernel tells it only once"""
        self._poll = select.poll()
        self._poll.register(self._number, select.POLLIN)
        loop.register(self._number, self)

    def on_events(self, mask: int) -> None:
        """Called by the loop: what waits is to try again."""
        if mask & _READABLE:
            self._is_readable = True
            if mask & _GONE:
                self.is_gone = True
        if mask & _WRITABLE:
            self._is_writable = True
            if not self._is_plain:  # TLS may have had something to send before it could read on
                self._is_readable = True
        if self.owner is not None:
            self._loop.wake(self.owner)

    def close(self) -> None:
        if self._number >= 0:
            self._loop.forget(self._number)
            self._number = -1
            self.owner = None
        self.sock.close()

    def evict(self) -> None:
        """Close it for its task, which is woken and finds it closed."""
        owner = self.owner
        self.close()
        if owner is not None:
            self._is_readable = True
            self._loop.wake(owner)

    async def receive(self, view: memoryview, seconds: float, watched: Watched | None = None) -> int:
        """Read what is there, at least one octet, at most the view; 0 at the end of the stream.

        Reads until the socket would block rather than once: fewer, larger sends follow.
        """
        size = len(view)
        filled = 0
        if self.ahead:
            filled = min(len(self.ahead), size)
            view[:filled] = self.ahead[:filled]
            self.ahead = self.ahead[filled:]
            if filled == size:
                return filled
        if self._failure is not None:
            if filled:
                return filled
            raise WireClosed(_cause(self._failure)) from self._failure
        deadline = self._loop.now + seconds
        receive_into = self.sock.recv_into
        while True:
            if not self._is_readable:
                if filled:
                    return filled
                await self._until_readable(deadline, watched)
            try:
                count = receive_into(view[filled:] if filled else view)
            except _WOULD_BLOCK:
                self._is_readable = False
            except ssl.SSLWantWriteError:  # a TLS key update
                self._is_writable = False
                if filled:  # before others have their turn with the buffer
                    return filled
                await self._until_writable(deadline, watched)
            except OSError as error:
                if filled:
                    self._failure = error
                    return filled
                raise WireClosed(_cause(error), started=False) from error
            else:
                filled += count
                if not count or filled == size:
                    return filled
                self._note_short()

    async def receive_bytes(self, deadline: float, watched: Watched | None = None) -> bytes:
        """Like `receive`, into a new object of at most 16 KiB. `deadline` by the loop's clock."""
        if self.ahead:
            ahead, self.ahead = self.ahead, b""
            return ahead
        if self._failure is not None:
            raise WireClosed(_cause(self._failure)) from self._failure
        while True:
            if not self._is_readable:
                await self._until_readable(deadline, watched)
            try:
                data = self.sock.recv(_RECEIVE_SIZE)
            except _WOULD_BLOCK:
                self._is_readable = False
            except ssl.SSLWantWriteError:
                self._is_writable = False
                await self._until_writable(deadline, watched)
            except OSError as error:
                raise WireClosed(_cause(error)) from error
            else:
                if len(data) < _RECEIVE_SIZE:
                    self._note_short()
                return data

    def _note_short(self) -> None:
        """Less came than was asked for: then nothing is left, says epoll(7), save with TLS in between."""
        if self._is_plain and not self.is_gone:
            self._is_readable = False

    async def read_head(self, reader: Reader, seconds: float, watched: Watched | None = None) -> Reader:
        """Feed the reader one whole head, within `seconds` for all of it."""
        deadline = self._loop.now + seconds
        started = False
        while True:
            try:
                data = await self.receive_bytes(deadline, watched)
            except WireClosed as closed:
                raise WireClosed(str(closed), started=started) from closed
            if not data:
                raise WireClosed(started=started)
            started = True
            rest = reader.feed(data)
            if rest is not None:
                self.ahead = rest
                return reader

    async def send(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all; `seconds` is the longest pause of the receiving end."""
        sent = self.send_some(data)
        if sent == len(data):
            return
        # a copy, for the buffer that it may lie in belongs to all tasks
        rest = memoryview(bytes(memoryview(data)[sent:]))
        while rest:
            await self._until_writable(self._loop.now + seconds, None)
            rest = rest[self.send_some(rest) :]

    def send_some(self, data: bytes | memoryview) -> int:
        """Send what the socket takes now, perhaps nothing."""
        try:
            return self.sock.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            self._is_writable = False
            return 0
        except OSError as error:
            raise WireClosed(_cause(error)) from error

    def has_arrived(self, *, is_certain: bool = False) -> bool:
        """Whether data or the end has come, without waiting; what came is kept in `ahead`.

        `is_certain`: the kernel is asked, whatever its last event was.

        An event is not enough: TLS 1.3 session tickets make a socket readable without any data.
        """
        if self.ahead:
            return True
        if self._failure is not None:
            return True
        if not (self._is_readable or is_certain):
            return False
        if not self._poll.poll(0) and not self._has_pending():
            self._is_readable = False  # as the attempt below would tell, by an exception that takes 4 µs
            return False
        try:
            self.ahead = self.sock.recv(_RECEIVE_SIZE)
        except _WOULD_BLOCK:
            self._is_readable = False
            return False
        except ssl.SSLWantWriteError:
            self._is_readable = self._is_writable = False  # until what TLS has to say first can be sent
            return False
        except OSError:
            return True
        return True

    def _has_pending(self) -> bool:
        """Whether TLS holds octets that the socket no longer shows."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    async def pause(self) -> None:
        """Let others have their turn, if there is more to read at once; else reading itself will wait."""
        if self._is_readable or self.ahead:
            await self.give_way()

    async def give_way(self) -> None:
        """Let others have their turn."""
        await self._loop.pause()

    async def until_movable(self, seconds: float, watched: Watched) -> None:
        """Until something came, or something more can be sent; both have just been tried."""
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

    async def _until_readable(self, deadline: float, watched: Watched | None) -> None:
        while not self._is_readable:
            await self._suspend(deadline, watched)

    async def _until_writable(self, deadline: float, watched: Watched | None) -> None:
        while not self._is_writable:
            await self._suspend(deadline, watched)

    async def _suspend(self, deadline: float, watched: Watched | None) -> None:
        if watched is not None and watched.is_gone:
            raise WatchedClosed
        if self._loop.now >= deadline:
            raise WireTimeout
        await self._loop.suspend(deadline)


def _cause(error: OSError) -> str:
    return error.strerror or type(error).__name__
