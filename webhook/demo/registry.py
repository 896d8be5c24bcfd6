"""A real pypiserver behind TLS and a password, as a process of its own.

Run `python -m webhook.demo.registry FOLDER HTPASSWD CERTIFICATE KEY`: it prints its port and serves until its
parent ends. pypiserver has no TLS of its own, so the standard library's WSGI server carries it.
"""

import os
import socketserver
import ssl
import sys
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's own name)
        """Print nothing: standard error belongs to the parent."""


def serve(packages: str, htpasswd: str, certificate: str, key: str) -> None:
    app = pypiserver.app(
        roots=[packages],
        password_file=htpasswd,
        authenticate=["list", "download", "update"],
        disable_fallback=True,
    )
    server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_QuietHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # the handshake runs in the request's thread: a client that stalls it must not hold up others
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent holds open and never writes to."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(*sys.argv[1:5])
