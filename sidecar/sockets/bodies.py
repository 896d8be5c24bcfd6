"""Message bodies, piece by piece through one buffer: constant memory whatever the length.

A body that ends early raises `WireClosed`, and a body that breaks its coding `MalformedHead`. The caller then
breaks the other side too, so that no client takes a part for the whole.
"""

from typing import TYPE_CHECKING

from sidecar.http.http1 import CHUNKED, Behind, MalformedHead
from sidecar.sockets.readiness import Watched, WireTimeout
from sidecar.sockets.wire import Wire, WireClosed

if TYPE_CHECKING:
    from sidecar.http.answer_chunks import AnswerChunks
    from sidecar.http.request_chunks import ChunkedReader

BUFFER_SIZE = 256 * 1024
"""Bytes of the buffer that all tasks share. 128 KiB take a tenth more time for 1 GiB; more gains nothing"""

_SILENCE_SECONDS = 1.0
"""Behind a body that nothing may follow. Arbitrary: more of a body comes at once, as the body did"""


class Body:
    """The body behind the head that was just read on `wire`. `length` in bytes, or CHUNKED or UNTIL_CLOSE."""

    def __init__(
        self,
        wire: Wire,
        length: int,
        buffer: memoryview,
        seconds: float,
        *,
        watched: Watched | None = None,
        is_request: bool = False,
        behind: Behind = "anything",
    ) -> None:
        self._wire = wire
        self._left = length
        self._buffer = buffer
        self._seconds = seconds
        self._watched = watched
        self._reader = _chunk_reader(is_request=is_request) if length == CHUNKED else None
        self._is_begun = False
        self._behind = behind

    async def read(self) -> memoryview:
        """The next piece, empty at the end. It is valid until this task waits for anything.

        It begins where its object begins.
        """
        left = self._left
        if left == 0:
            if self._behind != "anything":
                await self._see_what_follows()
            return self._buffer[:0]
        if self._is_begun:
            await self._wire.pause()
        self._is_begun = True
        if self._reader is not None:
            return await self._read_chunked(self._reader)
        view = self._buffer[:left] if 0 < left < len(self._buffer) else self._buffer
        count = await self._wire.receive(view, self._seconds, self._watched)
        if left > 0:
            if not count:
                raise WireClosed(f"{left} bytes are missing", started=True)
            self._left = left - count
            if left == count and self._behind != "anything":
                last = memoryview(bytes(view[:count]))  # others use the buffer meanwhile
                await self._see_what_follows()  # first: behind the last byte a client takes it for whole
                return last
        elif not count:
            self._left = 0
        return view[:count]

    async def _see_what_follows(self) -> None:
        """Raises MalformedHead if a byte follows, and WireTimeout if the end has to come and does not."""
        may_stay = self._behind == "nothing"
        self._behind = "anything"
        try:
            seconds = _SILENCE_SECONDS if may_stay else self._seconds
            if await self._wire.receive(memoryview(bytearray(1)), seconds, self._watched):
                raise MalformedHead("more bytes than its length, and readers differ in where it ends")
        except WireClosed:
            pass  # an end, too: all bytes have come
        except WireTimeout:
            if not may_stay:
                raise

    async def _read_chunked(self, reader: "ChunkedReader | AnswerChunks") -> memoryview:
        while not reader.is_complete:
            count = await self._receive_framed(reader)
            if not count:
                if not reader.may_end:
                    raise WireClosed("the last chunk is missing", started=True)
                self._wire.is_odd = True
                break
            # many chunks make a single piece: a chunk may be a single byte
            piece = b"".join(reader.feed(self._buffer[:count]))
            self._wire.is_odd = self._wire.is_odd or reader.is_odd
            if piece:
                return memoryview(piece)
            await self._wire.pause()
        self._left = 0
        return self._buffer[:0]

    async def _receive_framed(self, reader: "ChunkedReader | AnswerChunks") -> int:
        try:
            return await self._wire.receive(self._buffer, self._seconds, self._watched)
        except WireClosed:
            if not reader.may_end:
                raise
            return 0


def _chunk_reader(*, is_request: bool) -> "ChunkedReader | AnswerChunks":
    # imported with the first chunked body: they are no part of the start
    if is_request:
        from sidecar.http.request_chunks import ChunkedReader

        return ChunkedReader()
    from sidecar.http.answer_chunks import AnswerChunks

    return AnswerChunks()
