"""Room for answers of the API server: small ones come as they like, large ones a few at a time.

An object takes up to 1.5 MiB in etcd, six times that as JSON (`<` becomes \\u003c), and more again once it is
read: a container's variable of 5 bytes is a dict of 200. Forty large Pods whose sidecars ask for grants at
once would be more than this process may hold. What waits for its turn stays with the API server.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.json_stream import TooLong

SMALL_BYTES = 64 * 1024
"""Pods and Connectors are 2 to 20 KiB, a Secret is less. Forty of this size are 50 MiB at worst."""

LARGE_AT_ONCE = 2
"""At worst some 70 MiB each: 1.5 MiB of variables in etcd, read. Arbitrary beyond that: more than one, so
that a large answer that comes slowly does not hold up every other large one."""

LONGEST_BYTES = 16 * 1024 * 1024
"""Of one object: no object that fits into etcd is longer as JSON."""


class Body:
    """One answer, as it arrives."""

    def __init__(self, large: asyncio.Semaphore) -> None:
        self._large = large
        self._is_large = False
        self.data = bytearray()

    async def add(self, chunk: bytes) -> None:
        """Waits for a place before an answer grows large. `TooLong`."""
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
    """Of one process."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def body(self) -> AsyncIterator[Body]:
        """To be left as soon as the answer is read and trimmed."""
        body = Body(self._large)
        try:
            yield body
        finally:
            body.leave()
