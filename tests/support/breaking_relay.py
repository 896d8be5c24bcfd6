"""A network that fails once: a relay in front of a server, which breaks the first long answer off."""

import socket
import socketserver
import threading
from types import TracebackType

_PIECE = 65_536


class BreakingRelay:
    """Relays to `port` of this machine, and breaks one connection off after `octets` of its answer."""

    def __init__(self, port: int, octets: int) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(port, octets))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "BreakingRelay":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(port: int, octets: int) -> type[socketserver.BaseRequestHandler]:
    left = iter([octets])  # taken by the first answer that is long enough

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=_pump, args=(self.request, server), daemon=True).start()
                passed = 0
                while piece := server.recv(_PIECE):
                    passed += len(piece)
                    if passed > octets and next(left, None):
                        return
                    self.request.sendall(piece)

    return Handler


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        """The other direction has ended."""
