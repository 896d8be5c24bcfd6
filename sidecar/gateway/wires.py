"""The connections of the gateway's clients, plain and over TLS, and the state that all of them share."""

import socket

from sidecar.gateway.sessions import Session
from sidecar.sockets.loop import Loop
from sidecar.sockets.wire import Wire

_SEND_BUFFER = 256 * 1024
"""Bytes that the kernel holds for a client, doubled for its own use (socket(7)). By itself it would hold
4 MiB for each client that reads slowly, and count them as the Pod's"""
_MAPPED = "::ffff:"


class State:
    """The process, as its parts see it. `beat` and the flags are read in other threads too."""

    def __init__(self) -> None:
        self.is_listening = False
        self.has_certificate = False
        self.is_draining = False
        self.beat = 0.0
        """When the loop last took its turn, by the monotonic clock"""
        self.connections = 0

    @property
    def is_ready(self) -> bool:
        return self.is_listening and self.has_certificate and not self.is_draining


class GatewayWire(Wire):
    """A client's connection. TLS shakes hands with the first read, which waits like any other."""

    __slots__ = ("_is_counted", "last_presented", "last_session", "opened_at", "peer", "state")

    def __init__(self, sock: socket.socket, loop: Loop, state: State) -> None:
        self.peer = str(sock.getpeername()[0]).removeprefix(_MAPPED)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        super().__init__(sock, loop, None)
        self.state = state
        self.opened_at = loop.now
        self.last_presented: list[bytes] = []
        self.last_session: Session | None = None
        self._is_counted = True
        state.connections += 1

    def close(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self.state.connections -= 1
        super().close()
