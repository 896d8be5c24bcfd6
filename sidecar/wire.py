"""One connection: a non-blocking socket, waiting with a limit, and what was read beyond the last head.

Sockets never block, all waiting is one `poll` here: so a thread that waits for one side can see the other
side close at the same time, and each wait has the limit of its phase.
"""

import select
import socket
import ssl
import time
from typing import TypeVar

from sidecar.http1 import HeadReader

_RECEIVE_SIZE = 16 * 1024  # a head and, for most small files, all of its body; also one TLS record
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR

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


class Wire:
    """Not thread-safe: one thread at a time."""

    __slots__ = ("ahead", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.ahead = b""
        """Octets received beyond the last head"""

    def close(self) -> None:
        self.sock.close()

    def receive(self, view: memoryview, seconds: float, watched: "Wire | None" = None) -> int:
        """Read what is there, at least one octet, at most the view; 0 at the end of the stream.

        Reads until the socket would block rather than once: fewer, larger sends follow.
        """
        if self.ahead:
            taken = min(len(self.ahead), len(view))
            view[:taken] = self.ahead[:taken]
            self.ahead = self.ahead[taken:]
            return taken
        filled = 0
        size = len(view)
        receive_into = self.sock.recv_into
        while True:
            try:
                count = receive_into(view[filled:] if filled else view)
            except (ssl.SSLWantReadError, BlockingIOError):
                if filled:
                    return filled
                self.wait(select.POLLIN, seconds, watched)
            except ssl.SSLWantWriteError:  # a TLS key update
                self.wait(select.POLLOUT, seconds, watched)
            except OSError as error:
                if filled:
                    return filled
                raise WireClosed(_cause(error), started=False) from error
            else:
                filled += count
                if not count or filled == size:
                    return filled

    def receive_bytes(self, seconds: float, watched: "Wire | None" = None) -> bytes:
        """Like `receive`, into a new object of at most 16 KiB."""
        if self.ahead:
            ahead, self.ahead = self.ahead, b""
            return ahead
        while True:
            try:
                return self.sock.recv(_RECEIVE_SIZE)
            except (ssl.SSLWantReadError, BlockingIOError):
                self.wait(select.POLLIN, seconds, watched)
            except ssl.SSLWantWriteError:
                self.wait(select.POLLOUT, seconds, watched)
            except OSError as error:
                raise WireClosed(_cause(error)) from error

    def read_head(self, reader: Reader, seconds: float, watched: "Wire | None" = None) -> Reader:
        """Feed the reader one whole head, within `seconds` for all of it."""
        deadline = time.monotonic() + seconds
        started = False
        while True:
            try:
                data = self.receive_bytes(max(0.0, deadline - time.monotonic()), watched)
            except WireClosed as closed:
                raise WireClosed(str(closed), started=started) from closed
            if not data:
                raise WireClosed(started=started)
            started = True
            rest = reader.feed(data)
            if rest is not None:
                self.ahead = rest
                return reader

    def send(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all; `seconds` is the longest pause of the receiving end."""
        view = memoryview(data)
        while True:
            sent = self.send_some(view)
            if sent == len(view):
                return
            view = view[sent:]
            self.wait(select.POLLOUT, seconds, None)

    def send_some(self, view: memoryview) -> int:
        """Send what the socket takes now, perhaps nothing."""
        try:
            return self.sock.send(view)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            return 0
        except OSError as error:
            raise WireClosed(_cause(error)) from error

    def has_arrived(self) -> bool:
        """Whether data or the end has come, without waiting; what came is kept in `ahead`.

        Readiness of the socket is not enough: TLS 1.3 session tickets make it readable without any data.
        """
        if self.ahead:
            return True
        try:
            self.ahead = self.sock.recv(_RECEIVE_SIZE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return False
        except OSError:
            return True
        return True

    def wait_readable(self, seconds: float) -> bool:
        """Whether something came within the time (data, or the end)."""
        try:
            self.wait(select.POLLIN, seconds, None)
        except WireTimeout:
            return False
        return True

    def wait(self, events: int, seconds: float, watched: "Wire | None" = None) -> None:
        """Until one of the `select.POLL*` events; raises WireTimeout, or WatchedClosed."""
        poll = select.poll()
        poll.register(self.sock.fileno(), events)
        if watched is not None:
            poll.register(watched.sock.fileno(), select.POLLRDHUP)
        ready = poll.poll(seconds * 1000)
        if not ready:
            raise WireTimeout
        if watched is not None:
            number = watched.sock.fileno()
            if any(descriptor == number and mask & _GONE for descriptor, mask in ready):
                raise WatchedClosed


def _cause(error: OSError) -> str:
    return error.strerror or type(error).__name__
