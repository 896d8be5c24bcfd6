"""The gateway's listeners and connections, plain and over TLS, and their end after a signal."""

import heapq
import select
import socket
from typing import TYPE_CHECKING

from sidecar.exchange.server import BACKLOG, PortTaken, Server
from sidecar.gateway.certificates import Certificate
from sidecar.gateway.exchanges import GatewayExchange
from sidecar.gateway.front import Front, Gate
from sidecar.gateway.wires import GatewayWire, State
from sidecar.log import Log
from sidecar.sockets.loop import Loop
from sidecar.sockets.wire import Wire

if TYPE_CHECKING:
    from sidecar.exchange.server import Service

IDLE_LIMIT = 4096
"""Connections without a request: 3 KiB each, and 30 KiB over TLS"""
_NO_LIMIT = 1 << 30
"""Of requests at the server: the gate has its own limits"""
LINGER_SECONDS = 10.0
"""From the signal to the last accept: Services and Ingresses learn meanwhile that this Pod is not ready"""
FIRST_SECONDS = 2.0
"""A connection that was just opened is given so long for its first request, also while all others end"""
_LOOK_SECONDS = 0.1


def listen(address: str, port: int) -> socket.socket:
    """Bind this address, all of IPv4 and IPv6 if it is empty. Raises PortTaken."""
    try:
        if not address and socket.has_dualstack_ipv6():
            sock = socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        else:
            sock = socket.create_server((address, port), backlog=BACKLOG)
    except OSError as error:
        raise PortTaken(
            f"port {port} cannot be taken: {(error.strerror or 'unknown cause').lower()}"
        ) from error
    sock.setblocking(False)
    return sock


class GatewayServer(Server):
    """Accepts clients of all connectors."""

    idle_limit = IDLE_LIMIT
    active_limit = _NO_LIMIT
    exchange_type = GatewayExchange

    def __init__(self, loop: Loop, log: Log, state: State, certificate: Certificate) -> None:
        super().__init__(loop, log, None)
        self._state = state
        self._certificate = certificate
        self._listeners: list[tuple[socket.socket, Front]] = []

    def serve(self, sock: socket.socket, gate: Gate, scheme: str) -> None:
        front = Front(scheme, gate)
        self._listeners.append((sock, front))
        self.add_listener(sock, front)

    async def drain(self, seconds: float) -> None:
        """Answer with `Connection: close` from now on, accept a while longer, and let requests end."""
        self._state.is_draining = True
        deadline = self._loop.now + seconds
        await self._sleep(min(LINGER_SECONDS, seconds / 4))
        for sock, front in self._listeners:
            self._loop.forget(sock.fileno())
            while select.select([sock], [], [], 0)[0]:  # the kernel resets those that nobody has accepted
                self.accept(sock, front)
            sock.close()
        while (self._active or self._idle) and self._loop.now < deadline:
            self._close_idle()
            await self._sleep(_LOOK_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        until = self._loop.now + seconds
        while self._loop.now < until:
            await self._loop.suspend(until)

    def _close_idle(self) -> None:
        for wire in [*self._idle]:
            if isinstance(wire, GatewayWire) and self._loop.now - wire.opened_at >= FIRST_SECONDS:
                del self._idle[wire]
                wire.evict()

    def _open(self, sock: socket.socket, service: "Service") -> Wire:
        """Raises OSError if there is no certificate yet."""
        if isinstance(service, Front) and service.scheme == "https":
            context = self._certificate.context
            if context is None:
                raise OSError("there is no certificate yet")
            sock.setblocking(False)
            sock = context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        return GatewayWire(sock, self._loop, self._state)

    def _evict(self, count: int) -> int:
        """As the base; of the addresses that hold most, so that a crowd displaces itself."""
        held: dict[str, list[GatewayWire]] = {}
        for wire in self._idle:
            if isinstance(wire, GatewayWire):
                held.setdefault(wire.peer, []).append(wire)
        heap = [(-len(wires), peer) for peer, wires in held.items()]
        heapq.heapify(heap)
        evicted = 0
        while heap and evicted < count:
            size, peer = heapq.heappop(heap)
            wire = held[peer][len(held[peer]) + size]
            del self._idle[wire]
            wire.evict()
            evicted += 1
            if size < -1:
                heapq.heappush(heap, (size + 1, peer))
        return evicted
