"""How much of an answer is read, on the wire: a bound for httpx, which has one for a single head only.

A server may announce its answer with `100 Continue` without end. Each such head costs CPU, and httpx reads on
to the next. Authors of Connectors choose the server, so a bound in time would leave them the broker's CPU.
"""

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import httpcore

OCTETS = 64 * 1024
"""Read before the final head, handshake included: certificates and heads of real registries have 4 to 12 KiB.
Also the length of one piece at most, so that less than twice as much is read"""
OCTETS_OF_A_PIECE = 64
"""A shorter piece counts as this many: a drip of single octets is read 1,024 times at most"""


class Metered(anyio.abc.ByteStream):
    """A connection that ends with an error once the bound is reached."""

    def __init__(self, inner: anyio.abc.ByteStream) -> None:
        self._inner = inner
        self._octets = 0

    async def receive(self, max_bytes: int = OCTETS) -> bytes:
        if self._octets >= OCTETS:  # before the read: the last piece may hold the head, and a large page
            raise httpcore.RemoteProtocolError("no final head within the bound")
        piece = await self._inner.receive(min(max_bytes, OCTETS))
        self._octets += max(len(piece), OCTETS_OF_A_PIECE)
        return piece

    async def send(self, item: bytes) -> None:
        await self._inner.send(item)

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._inner.extra_attributes


async def meter(event: str, details: Mapping[str, Any]) -> None:
    """A `trace` of httpx: meter each connection as soon as it is there, below its TLS.

    The stream's own `_stream` is replaced: a network backend would see the octets above TLS only, and not
    what a handshake without end costs.
    """
    if event == "connection.connect_tcp.complete":
        stream = details["return_value"]
        stream._stream = Metered(stream._stream)  # noqa: SLF001 (see above)
