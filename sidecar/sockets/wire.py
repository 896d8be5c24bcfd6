"""A connection: sends and receives bytes, with a limit for each wait."""

import select
import socket
import ssl
from typing import TypeVar

from sidecar.http.http1 import HeadReader
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.readiness import Readiness, Watched

_RECEIVE_SIZE = 16 * 1024  # a head and, for most small files, all of its body; also one TLS record
_WOULD_BLOCK = (ssl.SSLWantReadError, BlockingIOError)

Reader = TypeVar("Reader", bound=HeadReader)


class WireClosed(Exception):
    """The other end closed. `started`: a part of the message had come."""

    def __init__(self, text: str = "connection closed", *, started: bool = False) -> None:
        super().__init__(text)
        self.started = started


class Wire(Readiness):
    """A connection, with the bytes received beyond the last head. The next read returns them first."""

    __slots__ = ("_ahead", "_failure", "_poll", "is_odd")

    def __init__(self, sock: socket.socket, loop: Loop, owner: Task | None) -> None:
        super().__init__(sock, loop, owner)
        self.is_odd = False
        """An answer came on it that strict readers refuse: no other may follow"""
        self._ahead = b""
        self._failure: OSError | None = None
        """An error that came behind bytes, which are returned first. The kernel reports it only once"""
        self._poll = select.poll()
        self._poll.register(self._number, select.POLLIN)

    @property
    def has_ahead(self) -> bool:
        """Whether there are bytes beyond the last head."""
        return bool(self._ahead)

    def take_ahead(self) -> bytes:
        """Take the bytes beyond the last head; may be empty."""
        ahead, self._ahead = self._ahead, b""
        return ahead

    def give_back(self, data: bytes) -> None:
        """Return bytes that were taken, to be read again before all others."""
        self._ahead = data + self._ahead

    async def receive(self, view: memoryview, seconds: float, watched: Watched | None = None) -> int:
        """Fill the view with what has come, at least a byte; return its length, 0 at the end of the stream.

        Reads until the socket would block, not just once, so that fewer and larger sends follow.
        """
        size = len(view)
        filled = self._receive_ahead(view) if self._ahead else 0
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

    def _receive_ahead(self, view: memoryview) -> int:
        count = min(len(self._ahead), len(view))
        view[:count] = self._ahead[:count]
        self._ahead = self._ahead[count:]
        return count

    async def receive_bytes(self, deadline: float, watched: Watched | None = None) -> bytes:
        """Like `receive`, into a new object of at most 16 KiB. `deadline` by the loop's clock."""
        if self._ahead:
            return self.take_ahead()
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
                self._ahead = rest
                return reader

    async def send(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all; `seconds` is the longest pause of the receiving end."""
        sent = self.send_some(data)
        if sent == len(data):
            return
        # a copy: other tasks use the buffer that it may lie in
        rest = memoryview(bytes(memoryview(data)[sent:]))
        while rest:
            await self._until_writable(self._loop.now + seconds, None)
            rest = rest[self.send_some(rest) :]

    def send_some(self, data: bytes | memoryview) -> int:
        """Send as much as the socket takes now; return its length, perhaps 0."""
        try:
            return self.sock.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            self._is_writable = False
            return 0
        except OSError as error:
            raise WireClosed(_cause(error)) from error

    def has_arrived(self, *, is_certain: bool = False) -> bool:
        """Whether data or the end has come. Does not wait, and leaves the data to the next read.

        `is_certain`: ask the kernel, whatever its last event was.

        An event is not enough: TLS 1.3 session tickets make a socket readable without any data.
        """
        if self._ahead:
            return True
        if self._failure is not None:
            return True
        if not (self._is_readable or is_certain):
            return False
        if not self._poll.poll(0) and not self._has_pending():
            self._is_readable = False  # the attempt below would show it too, by an exception that takes 4 µs
            return False
        try:
            self._ahead = self.sock.recv(_RECEIVE_SIZE)
        except _WOULD_BLOCK:
            self._is_readable = False
            return False
        except ssl.SSLWantWriteError:
            self._is_readable = self._is_writable = False  # until TLS can send its own message
            return False
        except OSError:
            return True
        return True

    def _has_pending(self) -> bool:
        """Whether TLS holds bytes that the socket no longer shows."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    async def pause(self) -> None:
        """Let other tasks have their turn, if more can be read at once; otherwise the read itself waits."""
        if self._is_readable or self._ahead:
            await self.give_way()


def _cause(error: OSError) -> str:
    return error.strerror or type(error).__name__
