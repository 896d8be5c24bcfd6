"""Limits the bytes that httpx reads before an answer's final head; httpx limits only a single head.

A server may send `100 Continue` heads without end. Each costs CPU, and httpx reads on to the next. Authors of
Connectors choose the server, so a limit in time would leave them the broker's CPU.
"""

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import httpcore

READ_BYTES_LIMIT = 64 * 1024
"""Before the final head, handshake included: certificates and heads of real registries have 4 to 12 KiB. A
single read has this limit too, so less than twice as much is read in all. It leaves room for the beginning of
a page (`answers.BODY_BYTES`)"""
LEAST_BYTES_OF_A_READ = 64
"""A shorter read counts as this many bytes: a server that sends single bytes is read 1,024 times at most"""


class LimitedStream(anyio.abc.ByteStream):
    """A connection that raises an error once the limit is reached."""

    def __init__(self, inner: anyio.abc.ByteStream) -> None:
        self._inner = inner
        self._counted = 0

    async def receive(self, max_bytes: int = READ_BYTES_LIMIT) -> bytes:
        # checked before the read: the last read may hold the final head and the start of a large page
        if self._counted >= READ_BYTES_LIMIT:
            raise httpcore.RemoteProtocolError("no final head within the bound")
        data = await self._inner.receive(min(max_bytes, READ_BYTES_LIMIT))
        self._counted += max(len(data), LEAST_BYTES_OF_A_READ)
        return data

    async def send(self, item: bytes) -> None:
        await self._inner.send(item)

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._inner.extra_attributes


async def limit_reads(event: str, details: Mapping[str, Any]) -> None:
    """A `trace` of httpx that limits each new connection, below its TLS.

    It replaces the stream's private `_stream`. A network backend would see only the bytes above TLS, and not
    the cost of a handshake without end.
    """
    if event == "connection.connect_tcp.complete":
        stream = details["return_value"]
        stream._stream = LimitedStream(stream._stream)  # noqa: SLF001 (see above)
