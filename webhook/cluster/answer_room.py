"""Room for answers of the API server: small ones without a limit, large ones a few at a time.

An object takes up to 1.5 MiB in etcd, six times that as JSON (`<` becomes \\u003c), and more again once it is
parsed: a container's variable of 5 bytes is a dict of 200. If forty large Pods ask for grants at once, they
exceed the memory of this process. So the rest of a large answer stays with the API server until its turn.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.cluster.json_stream import TooLong

SMALL_BYTES = 64 * 1024
"""Pods and Connectors have 2 to 20 KiB, a Secret has less. Forty of this size take 50 MiB at worst."""

LARGE_AT_ONCE = 2
"""At worst some 70 MiB each: 1.5 MiB of variables in etcd, parsed. Otherwise arbitrary, but at least two: a
slow large answer must not hold up every other large one."""

LONGEST_BYTES = 16 * 1024 * 1024
"""The limit for one object: no object that fits into etcd is longer as JSON."""


class Body:
    """One answer, as it arrives."""

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
        if len(self.data) > LONGEST_BYTES:
            raise TooLong(f"the answer is longer than {LONGEST_BYTES} bytes")

    def leave(self) -> None:
        if self._is_large:
            self._large.release()


class AnswerRoom:
    """The room of one process."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def body(self) -> AsyncIterator[Body]:
        """Leave the context as soon as the answer is parsed and trimmed."""
        body = Body(self._large)
        try:
            yield body
        finally:
            body.leave()
