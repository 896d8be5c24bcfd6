"""The listener: connections are counted from `accept` on, and TLS begins when the client has sent data.

asyncio's own server starts TLS on every connection, without a limit. A silent connection then takes 306 KiB
(measured), and 1,700 of them fill the memory limit of a component. Here a silent connection is a socket and
two small objects, and all connections are bounded, in total and per peer. `webhook.limits.shares` chooses
which connection is evicted.
"""

import asyncio
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable
from dataclasses import dataclass

from webhook.limits.shares import Holder, Rank, Shares
from webhook.limits.tally import Tally

logger = logging.getLogger(__name__)

TLS_BUFFER_BYTES = 64 * 1024
"""asyncio allocates a buffer of 256 KiB for each TLS connection, also for those that this process opens. Four
TLS records of the largest size are enough: a connection takes 91 KiB in place of 284 (measured)."""

TLS_HANDSHAKE = b"\x16"
"""The type of a client's first record (RFC 8446 §5.1)"""

SWEEP_SECONDS = 0.5
"""The longest delay between the limit of a connection and its end"""

ACCEPTS_PER_TURN = 32
"""Connections accepted before requests get their turn: about 2 ms."""

PAUSE_SECONDS = 0.5
"""Pause after the system ran out of descriptors; asyncio waits a second."""

GOODBYE_SECONDS = 2.0
"""Wait for the client's close_notify; asyncio waits 30 s and holds the memory meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Derived from the memory limit of 512 MiB in `manifests/base/{admission,broker}.yaml`, and from the
    1,024 descriptors that some container runtimes allow. The process needs about 150 of these for itself."""

    connections: int = 768
    """115 KiB each are 86 MiB. A body in transit takes 64 KiB more in each: another 48 MiB"""
    connections_per_peer: int = 384
    """Half, so that no single address keeps others out. An API server has at most 600 requests in flight,
    divided among two or more replicas"""
    head_seconds: float = 5.0
    """From `accept` to the end of the first head, including the handshake, and for each later head. The API
    server waits the same time for the whole answer"""
    body_seconds: float = 10.0
    """For a client that keeps sending after its answer; admission waits 5 s for a body, the broker 3"""
    answer_seconds: float = 30.0
    """The broker gives up after 8 s, so a client that takes longer does not read the answer"""
    idle_seconds: float = 130.0
    """A little longer than uvicorn's own limit (`serving.KEEP_ALIVE_SECONDS`). A client could suspend that
    limit with bytes that begin no request"""


class Visit:
    """One connection, from `accept` to its end. Its protocol reports progress: `entered`, `move`, `left`.

    state        held in         begins with        `expel`
    silent       `_sock`         `accept`           closes the socket
    handshake    `_task`         `greet`            cancels the task
    open         `_transport`    `entered`          aborts the transport
    gone         nothing         `left`             does nothing

    A handshake may succeed at the moment of its cancellation, so `entered` aborts a visit that was expelled.
    """

    def __init__(self, doors: "Doors", sock: socket.socket, peer: str) -> None:
        self._doors = doors
        self._sock: socket.socket | None = sock
        self._task: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_expelled = False
        self.holder = Holder(peer, self.expel)

    def greet(self) -> None:
        """The client has sent data: start TLS, if the data is TLS."""
        sock = self._take_socket()
        if sock is None:
            return
        first = _first_byte(sock)
        if first != TLS_HANDSHAKE:
            if first:  # a client that closes at once may be a check of the port
                self.count("not TLS")
            sock.close()
            self.left()
        else:
            self._task = asyncio.create_task(self._doors.connect(self, sock))
            self._task.add_done_callback(self._after_handshake)

    def entered(self, transport: asyncio.Transport) -> None:
        """The handshake is over."""
        self._transport = transport
        # by default asyncio buffers 512 KiB for a client that reads no answers
        transport.set_write_buffer_limits(high=TLS_BUFFER_BYTES)
        if self._is_expelled:
            transport.abort()

    def move(self, rank: Rank) -> None:
        self._doors.shares.move(self.holder, rank, asyncio.get_running_loop().time())

    def count(self, cause: str) -> None:
        """Count a cause for the log line of the minute."""
        self._doors.tally.count(cause, self.holder.peer)

    def left(self) -> None:
        """The connection is closed."""
        self._doors.shares.drop(self.holder)
        self._transport = self._task = None  # break the cycle: collection comes late

    def expel(self) -> None:
        """Close the connection now, in any state."""
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
            task.exception()  # retrieved, or asyncio logs it
        if self._transport is None:
            self.left()


def _first_byte(sock: socket.socket) -> bytes:
    """The first byte, which stays in the socket; empty if the client has closed the connection."""
    try:
        return sock.recv(1, socket.MSG_PEEK)
    except OSError:
        return b""


class Doors:
    """The listener, in place of an `asyncio.Server`; uvicorn closes it in the same way."""

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
        """Accept no more, and close connections without a complete head."""
        self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
        for holder in self.shares.all():
            if holder.rank is Rank.SILENT:
                holder.expel()

    async def wait_closed(self) -> None:
        """Returns at once; part of the interface of `asyncio.Server`."""

    async def connect(self, visit: Visit, sock: socket.socket) -> None:
        """Run the handshake."""
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
            except OSError as error:  # no descriptor or no memory: without a pause the loop would spin
                self.tally.count(str(error.strerror))
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_SECONDS, self._accept_again)
                return
            self._admit(sock, str(address[0]).removeprefix("::ffff:"))

    def _accept_again(self) -> None:
        if self._timer is not None and not self._timer.cancelled():  # the listener is still open
            self._loop.add_reader(self._listener, self._accept)

    def _admit(self, sock: socket.socket, peer: str) -> None:
        visit = Visit(self, sock, peer)
        evicted, has_room = self.shares.make_room(peer)
        for holder in evicted:
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
            (Rank.IDLE, limits.idle_seconds),
            (Rank.RECEIVING, limits.body_seconds),
            (Rank.ANSWERING, limits.answer_seconds),
        ):
            for holder in self.shares.overdue(rank, now - seconds):
                self.tally.count(f"too slow while {rank.name.lower()}", holder.peer)
                holder.expel()
        self.tally.report(now)
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
