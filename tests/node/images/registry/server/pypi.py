"""pypiserver on all addresses, over http or https, with a line for each request.

pypiserver has no TLS of its own and knows passwords from a file only, so the standard library's WSGI server
carries it, and a function of ours judges the password. The log names the user that was claimed, never the
password.
"""

import base64
import binascii
import shutil
import socketserver
import ssl
import sys
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver

from server.settings import Settings
from server.tls import server_context


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(WSGIRequestHandler):
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's own name)
        # wsgiref logs each request as `"%s" %s %s`: request line, status, size
        head = getattr(self, "headers", None) or {}
        user = _claimed_user(head.get("Authorization"))
        agent = head.get("User-Agent", "-").partition(" ")[0]
        sys.stdout.write(f"{self.address_string()} user={user} agent={agent} {format % args}\n")
        sys.stdout.flush()

    def address_string(self) -> str:
        return str(self.client_address[0])  # no look-up of names


def serve(settings: Settings) -> None:
    packages = settings.data / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    if not any(packages.iterdir()):
        shutil.copytree(settings.packages, packages, dirs_exist_ok=True)
    is_open = settings.credential() is None
    app = pypiserver.app(
        roots=[str(packages)],
        password_file="." if is_open else None,  # `.` means: none
        authenticate=[] if is_open else ["list", "download", "update"],
        auther=settings.accepts,
        disable_fallback=True,
    )
    refusing = _refusing_while(app, settings.data / "refuse")
    with make_server("", settings.port, refusing, server_class=_Server, handler_class=_Handler) as server:
        context = server_context(settings.tls)
        if context:
            server.socket = _wrapped(context, server)
            server.base_environ["HTTPS"] = "on"
        server.serve_forever()


def _refusing_while(app: Any, switch: Path) -> Any:
    """401 to everything while the file exists: as a registry does whose directory of users is away."""

    def refusing(environ: dict[str, Any], start_response: Any) -> Any:
        if not switch.exists():
            return app(environ, start_response)
        start_response(
            "401 Unauthorized", [("WWW-Authenticate", 'Basic realm="pypi"'), ("Content-Length", "0")]
        )
        return [b""]

    return refusing


def _wrapped(context: ssl.SSLContext, server: WSGIServer) -> ssl.SSLSocket:
    """The handshake belongs into the request's thread: a client that stalls it must not hold the others."""
    return context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def _claimed_user(authorization: str | None) -> str:
    try:
        return (
            base64.b64decode((authorization or "").removeprefix("Basic ")).decode().partition(":")[0] or "-"
        )
    except (binascii.Error, UnicodeDecodeError):
        return "?"
