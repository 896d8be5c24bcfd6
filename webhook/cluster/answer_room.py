"""Memory for answers of the API server: small answers without a limit, large ones a few at a time.

An object takes up to 1.5 MiB in etcd, and six times that as JSON (`<` becomes \\u003c). Parsed, it takes even
more: a container's variable of 5 bytes is a dict of 200. If forty large Pods ask for grants at once, they
exceed the memory of this process. So the rest of a large answer stays with the API server until its turn.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.cluster.json_stream import TooLong

SMALL_BYTES = 64 * 1024
"""Pods and Connectors have 2 to 20 KiB, a Secret has less. Forty of this size take 50 MiB at worst."""

LARGE_ANSWERS_LIMIT = 2
"""Large answers at once. At worst, each takes 70 MiB: 1.5 MiB of variables in etcd, parsed. The number is
arbitrary, but at least two: a slow large answer must not delay all others."""

ANSWER_BYTES_LIMIT = 16 * 1024 * 1024
"""For one object: no object that fits into etcd is longer as JSON."""


class Body:
    """An answer that is arriving."""

    def __init__(self, large: asyncio.Semaphore) -> None:
        self._large = large
        self._is_large = False
        self.data = bytearray()

    async def add(self, chunk: bytes) -> None:
        """Wait for a place before the answer grows large. Raises `TooLong`."""
        if not self._is_large and len(self.data) + len(chunk) > SMALL_BYTES:
            await self._large.acquire()
            self._is_large = True
        self.data += chunk
        if len(self.data) > ANSWER_BYTES_LIMIT:
            raise TooLong(f"the answer is longer than {ANSWER_BYTES_LIMIT} bytes")

    def leave(self) -> None:
        if self._is_large:
            self._large.release()


class AnswerRoom:
    """The memory of one process for answers."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_ANSWERS_LIMIT)

    @asynccontextmanager
    async def body(self) -> AsyncIterator[Body]:
        """Leave the context as soon as the answer is parsed and trimmed."""
        body = Body(self._large)
        try:
            yield body
        finally:
            body.leave()
