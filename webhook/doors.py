"""The way in: connections are counted from `accept` on, and TLS begins once a client has sent something.

asyncio's own server starts TLS on whatever it accepts, without a limit: 306 KiB for each connection that says
nothing (measured), so that 1,700 of them are the memory limit of a component. Here such a connection is a
socket and two small objects until it speaks, and the number of all is bounded, in total and per peer. Who
goes when it is full is decided by `webhook.shares`.
"""

import asyncio
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable
from dataclasses import dataclass

from webhook.shares import Holder, Rank, Shares
from webhook.tally import Tally

logger = logging.getLogger(__name__)

TLS_BUFFER_BYTES = 64 * 1024
"""asyncio allocates a buffer of 256 KiB for each TLS connection, in both directions of this process; four
records of the largest size are enough. 91 KiB per connection in place of 284 (measured)."""

SWEEP_SECONDS = 0.5
"""So much later than its time a connection may be closed."""

ACCEPTS_PER_TURN = 32
"""So many are taken before requests have their turn; about 2 ms."""

PAUSE_SECONDS = 0.5
"""After the system has no descriptor left: asyncio waits a second."""

GOODBYE_SECONDS = 2.0
"""For a client's own end of TLS; asyncio holds its memory for 30 s."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Derived from the memory limit of 512 MiB in `manifests/base/{admission,broker}.yaml`, and from the
    1,024 descriptors that some container runtimes allow; the process needs about 150 for itself."""

    connections: int = 768
    """115 KiB each at rest are 86 MiB; 64 KiB of a body on its way in each of them are 48 MiB more"""
    connections_per_peer: int = 384
    """Half: no address alone keeps others out. An API server asks with at most 600 requests in flight, at two
    or more replicas"""
    head_seconds: float = 5.0
    """From `accept` to the end of the first head, the handshake included: the API server waits so long for
    the whole answer. Later heads have as long"""
    body_seconds: float = 10.0
    """For a client that sends on after it had its answer; admission waits 5 s for a body, the broker 3"""
    answer_seconds: float = 30.0
    """No answer takes so long (the broker gives up after 8 s): the client does not read"""


class Visit:
    """One connection, from `accept` to its end. Whoever serves it says what it does: `move`, `left`."""

    def __init__(self, doors: "Doors", sock: socket.socket, peer: str) -> None:
        self._doors = doors
        self._sock: socket.socket | None = sock
        self._task: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_expelled = False
        self.holder = Holder(peer, self.expel)

    def greet(self) -> None:
        """The client has sent something: TLS begins, if it is TLS."""
        sock = self._take_socket()
        if sock is None:
            return
        if not _begins_tls(sock):
            self.count("not TLS")
            sock.close()
            self.left()
        else:
            self._task = asyncio.create_task(self._doors.connect(self, sock))
            self._task.add_done_callback(self._after_handshake)

    def entered(self, transport: asyncio.Transport) -> None:
        """The handshake is over."""
        self._transport = transport
        # a client that reads no answers would have 512 KiB of them kept for it
        transport.set_write_buffer_limits(high=TLS_BUFFER_BYTES)
        if self._is_expelled:
            transport.abort()

    def move(self, rank: Rank) -> None:
        self._doors.shares.move(self.holder, rank, asyncio.get_running_loop().time())

    def count(self, cause: str) -> None:
        """Something to be told of, once a minute."""
        self._doors.tally.count(cause, self.holder.peer)

    def left(self) -> None:
        """The connection is gone."""
        self._doors.shares.drop(self.holder)
        self._transport = self._task = None  # they lead back here, and a cycle is collected late

    def expel(self) -> None:
        """At once, in whatever state it is."""
        self._is_expelled = True
        if self._transport is not None:
            self._transport.abort()
        elif self._task is not None:
            self._task.cancel()
        elif sock := self._take_socket():
            sock.close()
            self.left()

    def _take_socket(self) -> socket.socket | None:
        sock, self._sock = self._sock, None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
        return sock

    def _after_handshake(self, task: "asyncio.Task[object]") -> None:
        if not task.cancelled():
            task.exception()  # asyncio complains of those that nobody looked at
        if self._transport is None:
            self.left()


def _begins_tls(sock: socket.socket) -> bool:
    """Whether a handshake record is there (RFC 8446 §5.1); false at the end of a connection too."""
    try:
        return sock.recv(1, socket.MSG_PEEK) == b"\x16"
    except OSError:
        return False


class Doors:
    """Accepts, in place of an `asyncio.Server`; uvicorn closes it as it would close one."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        limits: Limits,
        make_protocol: Callable[[Visit], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._context = context
        self._limits = limits
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.shares = Shares(limits.connections, limits.connections_per_peer)
        self.tally = Tally(logger, "connections turned away")

    def open(self) -> None:
        sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._sweep()

    def close(self) -> None:
        """No more are accepted, and whoever has not entered yet goes."""
        self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
        for holder in self.shares.all():
            if holder.rank is Rank.SILENT:
                holder.expel()

    async def wait_closed(self) -> None:
        """`asyncio.Server` has it."""

    async def connect(self, visit: Visit, sock: socket.socket) -> None:
        """The handshake. A failure is the client's, and there is nobody to tell."""
        await self._loop.connect_accepted_socket(
            lambda: self._make_protocol(visit),
            sock,
            ssl=self._context,
            ssl_handshake_timeout=self._limits.head_seconds,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor, no memory: it would be tried again without a pause
                self.tally.count(str(error.strerror))
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_SECONDS, self._accept_again)
                return
            self._admit(sock, str(address[0]).removeprefix("::ffff:"))

    def _accept_again(self) -> None:
        if self._timer is not None and not self._timer.cancelled():  # it is still open
            self._loop.add_reader(self._listener, self._accept)

    def _admit(self, sock: socket.socket, peer: str) -> None:
        visit = Visit(self, sock, peer)
        going, has_room = self.shares.make_room(peer)
        for holder in going:
            self.tally.count(f"replaced while {holder.rank.name.lower()}", holder.peer)
            holder.expel()
        if not has_room:
            self.tally.count("refused", peer)
            sock.close()
            return
        sock.setblocking(False)
        visit.holder.since = self._loop.time()
        self.shares.add(visit.holder)
        self._loop.add_reader(sock, visit.greet)

    def _sweep(self) -> None:
        now, limits = self._loop.time(), self._limits
        for rank, seconds in (
            (Rank.SILENT, limits.head_seconds),
            (Rank.RECEIVING, limits.body_seconds),
            (Rank.ANSWERING, limits.answer_seconds),
        ):
            for holder in self.shares.overdue(rank, now - seconds):
                self.tally.count(f"too slow while {rank.name.lower()}", holder.peer)
                holder.expel()
        self.tally.report(now)
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
