"""Loopback ports of connectors: the same in every Pod, so that caches and lock files stay valid. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

from webhook.identifiers import ConnectorKey

FIRST = 28100
COUNT = 4000
"""28100 to 32099 lies below Linux's ephemeral ports (32768), which outgoing connections take at random."""
RANGE = range(FIRST, FIRST + COUNT)


def default_port(connector: ConnectorKey) -> int:
    """The connector's port, unless another connector or the Pod itself takes it."""
    digest = hashlib.sha256(str(connector).encode()).digest()
    return FIRST + int.from_bytes(digest[:4], "big") % COUNT


def allocate(
    connectors: Sequence[ConnectorKey], *, taken: Iterable[int] = (), first: int | None = None
) -> dict[ConnectorKey, int]:
    """Connector → port. `first` is the wish for the first connector; `taken` are the Pod's own ports.

    `LookupError` where the range is full, which takes a Pod that declares 4000 ports.
    """
    used = set(taken)
    ports: dict[ConnectorKey, int] = {}
    for position, connector in enumerate(connectors):
        port = first if position == 0 and first is not None else _next_free(default_port(connector), used)
        used.add(port)
        ports[connector] = port
    return ports


def _next_free(wanted: int, used: set[int]) -> int:
    for step in range(COUNT):
        port = FIRST + (wanted - FIRST + step) % COUNT
        if port not in used:
            return port
    raise LookupError(f"no free port from {RANGE[0]} to {RANGE[-1]}")
