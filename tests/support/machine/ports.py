"""Ports of this machine that belong to a test from the first moment, not only when its server listens.

A socket that is bound and does not listen holds each port. Linux gives such a port to no `bind` of port 0 and
to no outgoing connection, of whatever process. A port that is merely free may soon be somebody else's.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

_holders: list[socket.socket] = []
"""Those of fixtures of a module or a session stay until the process ends"""


def free_port() -> int:
    """A port for a server that is told its port, until the test ends. It refuses until the server listens.

    The server must set SO_REUSEADDR, else the holder is in its way. What we run does: the sidecar, asyncio,
    Go's library, nginx, PostgreSQL, OpenSSL, the servers of Python.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _hold(holder)


def closed_port() -> int:
    """A port where nobody listens, and nobody can, until the test ends."""
    return _hold(socket.socket())


@contextmanager
def held_until_the_end() -> Iterator[None]:
    """Ports that are taken within the block are free again after it."""
    before = len(_holders)
    try:
        yield
    finally:
        while len(_holders) > before:
            _holders.pop().close()


def _hold(holder: socket.socket) -> int:
    holder.bind(("", 0))  # of all addresses, for a server may take them all
    _holders.append(holder)
    port: int = holder.getsockname()[1]
    return port
