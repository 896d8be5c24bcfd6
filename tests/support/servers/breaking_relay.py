"""A failing network: a relay in front of a server that breaks off every long answer."""

import socket
import socketserver
import threading
from types import TracebackType

_PIECE = 65_536


class BreakingRelay:
    """Relays to `port` of this machine, over TLS too, and breaks each answer off that has more than `bytes`.

    The rest of such an answer is shorter, and passes. So only a client that resumes gets everything.
    """

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
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self._passed = 0
            with socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=self._ask, args=(server,), daemon=True).start()
                while piece := server.recv(_PIECE):
                    self._passed += len(piece)
                    if self._passed > octets:
                        return
                    self.request.sendall(piece)

        def _ask(self, server: socket.socket) -> None:
            try:
                while piece := self.request.recv(_PIECE):
                    self._passed = 0  # of the answer to this
                    server.sendall(piece)
                server.shutdown(socket.SHUT_WR)
            except OSError:
                """The other direction has ended."""

    return Handler
