"""Loopback ports of connectors: the same in every Pod, so that caches and lock files stay valid. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

FIRST = 28100
COUNT = 4000
"""28100 to 32099 lies below Linux's ephemeral ports (32768), which outgoing connections take at random."""
RANGE = range(FIRST, FIRST + COUNT)


def default_port(connector: str) -> int:
    """The port of `namespace/name` where nothing is in its way."""
    digest = hashlib.sha256(connector.encode()).digest()
    return FIRST + int.from_bytes(digest[:4], "big") % COUNT


def allocate(
    connectors: Sequence[str], *, taken: Iterable[int] = (), first: int | None = None
) -> dict[str, int]:
    """Connector → port. `first` is the wish for the first connector; `taken` are the Pod's own ports.

    `LookupError` where the range is full, which takes a Pod that declares 4000 ports.
    """
    used = set(taken)
    found: dict[str, int] = {}
    for position, connector in enumerate(connectors):
        port = first if position == 0 and first is not None else _next_free(default_port(connector), used)
        used.add(port)
        found[connector] = port
    return found


def _next_free(wanted: int, used: set[int]) -> int:
    for step in range(COUNT):
        port = FIRST + (wanted - FIRST + step) % COUNT
        if port not in used:
            return port
    raise LookupError(f"no free port from {RANGE[0]} to {RANGE[-1]}")
