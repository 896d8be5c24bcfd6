"""A server that records everything sent to it, as DNS, http, https with its own certificate, and a proxy.

One line of JSON for each connection: port, and what arrived, or why nothing did.
"""

import json
import os
import socket
import ssl
import sys
import threading
from pathlib import Path

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    folder = Path("/tmp/lure")
    folder.mkdir()
    for name in ("CERTIFICATE", "KEY"):
        (folder / name).write_text(os.environ[f"LURE_{name}"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "CERTIFICATE", folder / "KEY")
    for port, tls in ((80, None), (443, context), (3128, None)):
        listener = socket.create_server(("", port), backlog=64)
        threading.Thread(target=serve, args=(port, listener, tls), daemon=True).start()
    tell(port=0, received="ready")
    answer_names()


def tell(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def serve(port: int, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=receive, args=(port, client, tls), daemon=True).start()


def receive(port: int, client: socket.socket, tls: ssl.SSLContext | None) -> None:
    received = b""
    try:
        client.settimeout(10)
        wire = tls.wrap_socket(client, server_side=True) if tls else client
        while b"\r\n\r\n" not in received and (piece := wire.recv(65536)):
            received += piece
        wire.sendall(ANSWER)
        wire.close()
        tell(port=port, received=received.decode("latin-1"))
    except OSError as error:
        tell(port=port, received=received.decode("latin-1"), failed=str(error))


def answer_names() -> None:
    """Every name leads here (RFC 1035 §4.1.1): the question, and one A record that points at it."""
    own = socket.inet_aton(socket.gethostbyname(socket.gethostname()))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 53))
    while True:
        query, client = server.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        is_ipv4 = query[end - 4 : end - 2] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + own if is_ipv4 else b""
        counts = b"\0\1" + (b"\0\1" if is_ipv4 else b"\0\0") + b"\0\0\0\0"
        server.sendto(query[:2] + b"\x84\0" + counts + query[12:end] + record, client)


main()
