"""A port that hands each connection on to a loopback port, and takes TLS off it if there is a certificate.

devpi-server has no TLS, and listens before its index exists: this port opens when all is there, so that a
probe of it tells the truth. One thread for both directions: an SSL object may not be used by two at a time.
"""

import contextlib
import select
import socket
import ssl
import threading

_GOODBYE_SECONDS = 1.0
"""For the client's close_notify, which not all of them send"""


def relay(port: int, target: int, context: ssl.SSLContext | None) -> None:
    """Until the process ends."""
    with socket.create_server(("", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target, context), daemon=True).start()


def _serve(client: socket.socket, target: int, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), client:
        stream = context.wrap_socket(client, server_side=True) if context else client
        with stream, socket.create_connection(("127.0.0.1", target)) as server:
            _exchange(stream, server)
            if isinstance(stream, ssl.SSLSocket):
                stream.settimeout(_GOODBYE_SECONDS)
                stream.unwrap()


def _exchange(stream: socket.socket, server: socket.socket) -> None:
    """Until either side ends; HTTP clients do not half-close."""
    while True:
        has_more = isinstance(stream, ssl.SSLSocket) and stream.pending()  # `select` sees the socket only
        for source in [stream] if has_more else select.select([stream, server], [], [])[0]:
            piece = source.recv(65536)
            if not piece:
                return
            (server if source is stream else stream).sendall(piece)
