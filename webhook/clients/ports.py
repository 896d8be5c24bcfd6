"""Loopback ports of connectors. Every Pod uses the same ports: caches and lock files stay valid. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

from webhook.identifiers import ConnectorKey

FIRST = 28100
COUNT = 4000
"""28100 to 32099. Linux takes the ports of outgoing connections from 32768 on, at random."""
RANGE = range(FIRST, FIRST + COUNT)


def default_port(connector: ConnectorKey) -> int:
    """The connector's port, unless another connector or the Pod itself takes it."""
    digest = hashlib.sha256(str(connector).encode()).digest()
    return FIRST + int.from_bytes(digest[:4], "big") % COUNT


def allocate(
    connectors: Sequence[ConnectorKey], *, taken: Iterable[int] = (), first: int | None = None
) -> dict[ConnectorKey, int]:
    """Connector → port. `first` is the first connector's port by annotation; `taken` are the Pod's own ports.

    `LookupError` if the range is full: the Pod declares 4000 ports.
    """
    used = set(taken)
    ports: dict[ConnectorKey, int] = {}
    for position, connector in enumerate(connectors):
        port = first if position == 0 and first is not None else _next_free(default_port(connector), used)
        used.add(port)
        ports[connector] = port
    return ports


def _next_free(preferred: int, used: set[int]) -> int:
    for step in range(COUNT):
        port = FIRST + (preferred - FIRST + step) % COUNT
        if port not in used:
            return port
    raise LookupError(f"no free port from {RANGE[0]} to {RANGE[-1]}")
