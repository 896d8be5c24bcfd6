"""A relay between the proxy and a server: it cuts, delays and ends the stream of bytes on command."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

from support.servers.registry import PATIENCE_SECONDS

Cut = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterable[bytes]:
    return [data]


def in_octets(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


class Relay:
    """Listens from its creation until it is closed. Each connection leads to `port` of this machine."""

    def __init__(self, port: int, cut: Cut = whole) -> None:
        self._server = port
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.flows = threading.Event()
        """While it is clear, nothing of the server's passes"""
        self.flows.set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flows.set()
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._accepting.join(PATIENCE_SECONDS)
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._server), PATIENCE_SECONDS)
            far.settimeout(None)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [near, far]
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass, args=(source, sink, is_answer), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for piece in self._cut(data):
                    if is_answer:
                        self.flows.wait()
                    sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
