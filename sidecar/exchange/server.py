"""The loopback listeners and the client connections: one request after the other, idle in between."""

import contextlib
import errno
import select
import socket
from typing import TYPE_CHECKING

from sidecar.contract.environment import Listener
from sidecar.contract.words import Code, Line
from sidecar.errors import ClientGone, SidecarError
from sidecar.exchange.client import Exchange
from sidecar.exchange.peers import is_allowed_peer
from sidecar.http.http1 import HEAD_LIMIT, MalformedHead, RequestHead, RequestReader
from sidecar.log import Log
from sidecar.rules.answers import Answer, render_answer
from sidecar.sockets.bodies import BUFFER_SIZE
from sidecar.sockets.loop import Loop
from sidecar.sockets.readiness import WireTimeout
from sidecar.sockets.wire import Wire, WireClosed

if TYPE_CHECKING:
    from typing import Protocol

    class Service(Protocol):
        """Answers the requests of a listener: a proxy."""

        async def serve(self, exchange: Exchange) -> None: ...


ADDRESS = "127.0.0.1"
BACKLOG = 128
KEEP_ALIVE_SECONDS = 75.0
"""An idle connection is closed after this. Clients close theirs earlier, so that no request is lost"""
IDLE_LIMIT = 512
"""Connections without a request; 3 KiB each"""
ACTIVE_LIMIT = 192
"""Requests under way, each with up to two descriptors and 256 KiB for a client that reads slowly. uv opens up
to 50 connections"""
PAUSE_SECONDS = 0.2
"""Until the next accept, after the descriptors ran out; arbitrary"""
HEAD_SECONDS = 10.0
"""For a whole request head: it comes from the same machine, in one packet"""
_TLS_HELLO = 0x16
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_BUSY = Answer(503, Code.TOO_BUSY, f"{ACTIVE_LIMIT} requests are under way: try again", retry_after=1)


class PortTaken(SidecarError):
    """Another process of the Pod listens on this port."""


def listen(listener: Listener) -> socket.socket:
    """Bind the loopback port, or raise `PortTaken` with a sentence."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restarted sidecar takes its port again
    try:
        sock.bind((ADDRESS, listener.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"port {listener.port} on {ADDRESS}, for connector {listener.connector}, cannot be taken: "
            f"{(error.strerror or 'unknown cause').lower()}; choose another one: for a Pod with the "
            "annotation connectors.alauda.io/port, for `run` with --port"
        ) from error
    return sock


class Server:
    """Accepts connections and serves them."""

    idle_limit = IDLE_LIMIT
    active_limit = ACTIVE_LIMIT
    exchange_type = Exchange

    def __init__(self, loop: Loop, log: Log, peer_uid: int | None) -> None:
        self._loop = loop
        self._log = log
        self._peer_uid = peer_uid
        self._buffer = memoryview(bytearray(BUFFER_SIZE))
        self._active = 0
        self._idle: dict[Wire, None] = {}
        """Connections without a request, oldest first"""

    def add_listener(self, sock: socket.socket, proxy: "Service") -> None:
        self._loop.register(sock.fileno(), _Acceptor(self, sock, proxy), select.EPOLLIN)

    def add_stop(self, descriptor: int) -> None:
        """End the loop once this is readable or at its end: after a signal, or when the parent is gone."""
        self._loop.register(descriptor, _Stop(self._loop), select.EPOLLIN)

    def accept(self, listener: socket.socket, proxy: "Service") -> None:
        try:
            sock, peer = listener.accept()
        except OSError as error:
            # the client is gone again, or descriptors ran out: then idle connections must give way
            if error.errno in _NO_ROOM and not self._evict(1):
                self._loop.spawn(self._pause(listener, proxy))
            return
        if not self._is_served(sock, peer):
            self._log.write("warning", Line.PEER_REFUSED)
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._idle) >= self.idle_limit:
            self._evict(self.idle_limit // 8)
        try:
            wire = self._open(sock, proxy)
        except OSError as error:
            self._log.write("warning", Line.CONNECTION_REFUSED, detail=str(error))
            sock.close()
            return
        self._idle[wire] = None
        wire.hand_over(self._loop.spawn(self._serve(wire, proxy)))

    def _open(self, sock: socket.socket, service: "Service") -> Wire:
        return Wire(sock, self._loop, None)

    def _is_served(self, sock: socket.socket, peer: tuple[str, int]) -> bool:
        if self._peer_uid is None:
            return True
        for _ in range(2):
            with contextlib.suppress(OSError):  # the look-up needs a descriptor too, and may find none
                return is_allowed_peer(peer, sock.getsockname(), self._peer_uid)
            self._evict(1)
        return False

    async def _pause(self, listener: socket.socket, proxy: "Service") -> None:
        """Let new connections wait. The listener stays readable, so the loop would do nothing but retry."""
        self._loop.unregister(listener.fileno())
        is_listening = False
        while not is_listening:
            resume_at = self._loop.now + PAUSE_SECONDS
            while self._loop.now < resume_at:
                await self._loop.suspend(resume_at)
            with contextlib.suppress(OSError):  # the kernel may still have no room
                self.add_listener(listener, proxy)
                is_listening = True

    def _evict(self, count: int) -> int:
        """Close the longest idle connections, whose tasks find them closed. Returns the number."""
        oldest = list(self._idle)[:count]
        for wire in oldest:
            del self._idle[wire]
            wire.evict()
        return len(oldest)

    async def _serve(self, wire: Wire, proxy: "Service") -> None:
        try:
            while (head := await self._next_request(wire)) is not None:
                exchange = self.exchange_type(wire, head, self._buffer)
                if self._active >= self.active_limit:
                    self._log.write("warning", Line.REQUEST, status=_BUSY.status, reason=_BUSY.code)
                    await exchange.answer(_BUSY, closes=True)
                    await exchange.drain()
                    return
                self._active += 1
                try:
                    await proxy.serve(exchange)
                finally:
                    self._active -= 1
                if not exchange.keeps_connection:
                    return
                self._idle[wire] = None
                await wire.pause()  # a client with many requests at once must not keep others from their turn
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 (the edge: a fault in a connection must not end others)
            # the type only: a message could quote a header or a body
            self._log.write("error", Line.INTERNAL_ERROR, error=type(error).__name__)
        finally:
            self._idle.pop(wire, None)
            wire.close()

    async def _next_request(self, wire: Wire) -> RequestHead | None:
        """The next request, or None at the end. A malformed request has got its answer by then."""
        try:
            first = await wire.receive_bytes(self._loop.now + KEEP_ALIVE_SECONDS)
            if not first or first[0] == _TLS_HELLO:  # uv tries TLS first, and must see no server
                return None
            reader = RequestReader()
            rest = reader.feed(first)
            if rest is None:  # few heads come in pieces
                await wire.read_head(reader, HEAD_SECONDS)
            else:
                wire.give_back(rest)
            head = reader.head()
        except (WireClosed, WireTimeout):
            return None
        except MalformedHead as error:
            status = 431 if error.is_too_long else 400
            sentence = f"longer than {HEAD_LIMIT} bytes" if error.is_too_long else str(error).lower()
            answer = Answer(status, Code.BAD_REQUEST, f"the request's head is malformed: {sentence}")
            await self._refuse(wire, answer)
            return None
        self._idle.pop(wire, None)
        return head

    async def _refuse(self, wire: Wire, answer: Answer) -> None:
        fields = {"status": answer.status, "reason": answer.code, "detail": answer.sentence}
        self._log.write("warning", Line.REQUEST, **fields)
        with contextlib.suppress(WireClosed, WireTimeout):
            await wire.send(render_answer(answer, is_head=False, closes=True), 1.0)


class _Acceptor:
    """Events of a listener."""

    def __init__(self, server: Server, sock: socket.socket, proxy: "Service") -> None:
        self._server = server
        self._sock = sock
        self._proxy = proxy

    def on_events(self, mask: int) -> None:
        self._server.accept(self._sock, self._proxy)


class _Stop:
    """Events of a descriptor that ends the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def on_events(self, mask: int) -> None:
        self._loop.stop()
