"""The gateway of a checkout, and a broker in this process that gives its one client the registry."""

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

from benchmarks.machine import clean_environment
from benchmarks.processes import Service
from benchmarks.registry import Registry
from benchmarks.sidecars import grant_of
from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.words import GATEWAY_AUDIENCE

HOST = "c-registry.bench.svc"
_END = int(time.time()) + 10**8


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


_CLAIMS = {"aud": [GATEWAY_AUDIENCE], "sub": "system:serviceaccount:bench:client", "exp": _END}
TOKEN = f"{_part({'alg': 'none'})}.{_part(_CLAIMS)}.{'x' * 340}"
"""As long as one that is signed"""
AUTHORIZATION = "Basic " + base64.b64encode(f"client:{TOKEN}".encode()).decode()


def start_gateway(python: Path, registry: Registry, folder: Path, port: int) -> Service:
    """On http at this port. The broker has the certificate of the registry."""
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (folder / name).write_bytes((registry.ca_file.parent / name).read_bytes())
    (folder / "token").write_text("of-the-gateway")
    broker = _Broker(registry, folder)
    variables = clean_environment(
        folder,
        GATEWAY_ADDRESS="127.0.0.1",
        GATEWAY_BROKER_URL=f"https://127.0.0.1:{broker.server_port}",
        GATEWAY_TLS_DIR=str(folder),
        GATEWAY_TOKEN_FILE=str(folder / "token"),
        GATEWAY_LOOPBACK="allow",
        GATEWAY_HTTP_PORT=str(port),
        GATEWAY_HTTPS_PORT="0",
        GATEWAY_METRICS_PORT="0",
    )
    service = Service([str(python), "-I", "-m", "sidecar.gateway"], variables, folder / "log")
    service.at_end(broker.end)
    return service


class _Broker(HTTPServer):
    def __init__(self, registry: Registry, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        _Handler.document = json.dumps(
            GatewayGrant(grant_of(registry), "bench/client", 1e8).document()
        ).encode()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    document: ClassVar[bytes] = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.document)))
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base)
        """Nobody reads it."""
