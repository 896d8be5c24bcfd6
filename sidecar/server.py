"""The loopback listeners, and the lobby: connections that wait for a request without holding a thread."""

import contextlib
import selectors
import socket
import time
from collections import deque
from typing import NamedTuple

from sidecar.answers import Answer, render_answer
from sidecar.contract import Listener
from sidecar.errors import SidecarError
from sidecar.log import Log
from sidecar.peers import is_allowed_peer
from sidecar.proxy import Proxy
from sidecar.wire import Wire
from sidecar.workers import WAITING, WORKERS, Connection, Workers

ADDRESS = "127.0.0.1"
BACKLOG = 128
REST_SECONDS = 75.0
"""An idle connection is closed after this; longer than clients keep theirs, so that they close first"""
RESTING = 512
"""Connections in the lobby; a few hundred octets each"""
_SWEEP_SECONDS = 5.0

_BUSY = Answer(
    503,
    "too-busy",
    f"{WORKERS} requests are under way and {WAITING} more wait: try again",
    retry_after=1,
)


class PortTaken(SidecarError):
    """Another process of the Pod listens there."""


class _Resting(NamedTuple):
    connection: Connection
    since: float


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
    """Runs in the main thread; `wake` descriptors end it (a signal, or the parent's end)."""

    def __init__(self, log: Log, peer_uid: int | None) -> None:
        self._log = log
        self._peer_uid = peer_uid
        self._selector = selectors.DefaultSelector()
        self._workers = Workers(self._give_back, log)
        self._returned: deque[Connection] = deque()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._resting: dict[int, _Resting] = {}

    def add_listener(self, sock: socket.socket, proxy: Proxy) -> None:
        self._selector.register(sock, selectors.EVENT_READ, proxy)

    def add_stop(self, descriptor: int) -> None:
        """Something to read here, or its end, ends `run`."""
        self._selector.register(descriptor, selectors.EVENT_READ, _STOP)

    def run(self) -> None:
        sweep_at = time.monotonic() + _SWEEP_SECONDS
        while True:
            for key, _ in self._selector.select(_SWEEP_SECONDS):
                if key.data is _STOP:
                    return
                if isinstance(key.data, Proxy) and isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj, key.data)
                elif isinstance(key.data, Connection):
                    self._leave_lobby(key.data)
                else:
                    self._answer_bell()
            if time.monotonic() >= sweep_at:
                self._sweep()
                sweep_at = time.monotonic() + _SWEEP_SECONDS

    def _accept(self, listener: socket.socket, proxy: Proxy) -> None:
        try:
            sock, peer = listener.accept()
        except OSError:  # gone again, or out of descriptors: then those at rest must give way
            self._sweep(oldest=1)
            return
        if not self._is_served(sock, peer):
            self._log.write("warning", "connection of another user refused")
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._enter_lobby(Connection(Wire(sock), proxy))

    def _is_served(self, sock: socket.socket, peer: tuple[str, int]) -> bool:
        if self._peer_uid is None:
            return True
        for _ in range(2):
            with contextlib.suppress(OSError):  # the look-up takes a descriptor too, perhaps the last one
                return is_allowed_peer(peer, sock.getsockname(), self._peer_uid)
            self._sweep(oldest=1)
        return False

    def _enter_lobby(self, connection: Connection) -> None:
        if len(self._resting) >= RESTING:
            self._sweep(oldest=RESTING // 8)
        descriptor = connection.wire.sock.fileno()
        self._resting[descriptor] = _Resting(connection, time.monotonic())
        self._selector.register(descriptor, selectors.EVENT_READ, connection)

    def _leave_lobby(self, connection: Connection) -> None:
        descriptor = connection.wire.sock.fileno()
        if self._resting.pop(descriptor, None) is None:  # swept in the round in which it became readable
            return
        self._selector.unregister(descriptor)
        if not self._workers.submit(connection):
            self._log.write("warning", "request", status=_BUSY.status, reason=_BUSY.code)
            with contextlib.suppress(OSError):  # never wait here: everybody waits for this thread
                connection.wire.sock.recv(16 * 1024)  # unread octets would turn the close into a reset
                connection.wire.sock.send(render_answer(_BUSY, is_head=False, closes=True))
            connection.wire.close()

    def _give_back(self, connection: Connection) -> None:
        """Called by workers: the connection rests in the lobby until its next request."""
        self._returned.append(connection)
        with contextlib.suppress(BlockingIOError):  # the bell rings already
            self._ring.send(b"\0")

    def _answer_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        while self._returned:
            self._enter_lobby(self._returned.popleft())

    def _sweep(self, oldest: int = 0) -> None:
        """Close what has rested too long, and at least the `oldest` so many."""
        limit = time.monotonic() - REST_SECONDS
        by_age = sorted(self._resting.items(), key=lambda item: item[1].since)
        for position, (descriptor, resting) in enumerate(by_age):
            if position >= oldest and resting.since > limit:
                break
            self._selector.unregister(descriptor)
            del self._resting[descriptor]
            resting.connection.wire.close()


_STOP = object()
