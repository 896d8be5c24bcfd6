"""The port for the kubelet and for Prometheus, in threads of its own: it answers while the loop is busy."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sidecar.gateway.metrics import Metrics
from sidecar.gateway.wires import State

STUCK_SECONDS = 30.0
"""A loop that took no turn for so long is stuck: it beats every few seconds"""
_REQUEST_SECONDS = 5.0
_THREADS = 16
"""At once; arbitrary. More are turned away: anybody in the cluster may reach this port"""
_TEXT = "text/plain; charset=utf-8"


class HealthServer(ThreadingHTTPServer):
    """Serves /healthz, /readyz and /metrics."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], state: State, metrics: Metrics) -> None:
        self._is_dual = not address[0] and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if self._is_dual else socket.AF_INET
        super().__init__(address, _Handler)
        self.state = state
        self.metrics = metrics
        self._places = threading.BoundedSemaphore(_THREADS)

    def server_bind(self) -> None:
        if self._is_dual:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left; the base would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    server: HealthServer

    def do_GET(self) -> None:
        state = self.server.state
        if self.path == "/healthz":
            is_alive = time.monotonic() - state.beat < STUCK_SECONDS
            self._answer(200 if is_alive else 503, _TEXT, b"alive\n" if is_alive else b"the loop is stuck\n")
        elif self.path == "/readyz":
            self._answer(200 if state.is_ready else 503, _TEXT, _readiness(state))
        elif self.path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.server.metrics.registry))
        else:
            self._answer(404, _TEXT, b"not found\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (named by the base)
        """Probes come every few seconds."""


def _readiness(state: State) -> bytes:
    if state.is_draining:
        return b"draining\n"
    return b"ready\n" if state.is_ready else b"waiting for the TLS certificate\n"
