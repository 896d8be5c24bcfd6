"""A company's HTTP proxy that lets nothing through and records the requests."""

import socketserver
import threading
from types import TracebackType


class Recorder:
    """Listens on a port of its own; use as a context manager."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Request lines, in the order of their arrival"""
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Recorder":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        asked = self.asked

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                asked.append(self.rfile.readline(65_536).decode("latin-1").strip())
                while self.rfile.readline(65_536).strip():
                    pass
                self.wfile.write(
                    b"HTTP/1.1 502 nobody may out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )

        return Handler
