"""Message bodies as a stream of views of one buffer: constant memory whatever the length.

Each view is valid until the next one is asked for. A body that ends early raises `WireClosed`, one that
breaks its coding `MalformedHead`: the caller then breaks the other side too, so that nobody takes it for
complete.
"""

from collections.abc import Iterator

from sidecar.http1 import CHUNKED, UNTIL_CLOSE, ChunkedReader
from sidecar.wire import Wire, WireClosed

BUFFER_SIZE = 256 * 1024
"""Octets per thread. 1 GiB takes a tenth less time than with 128 KiB; above this nothing is gained"""


def read_body(
    wire: Wire,
    length: int,
    buffer: memoryview,
    seconds: float,
    *,
    watched: Wire | None = None,
    is_request: bool = False,
) -> Iterator[memoryview]:
    """The body that follows the head just read. `length` in octets, or CHUNKED or UNTIL_CLOSE."""
    if length == CHUNKED:
        return _read_chunked(wire, buffer, seconds, watched, is_request)
    if length == UNTIL_CLOSE:
        return _read_until_close(wire, buffer, seconds, watched)
    return _read_fixed(wire, length, buffer, seconds, watched)


def _read_fixed(
    wire: Wire, length: int, buffer: memoryview, seconds: float, watched: Wire | None
) -> Iterator[memoryview]:
    size = len(buffer)
    while length:
        count = wire.receive(buffer if length >= size else buffer[:length], seconds, watched)
        if not count:
            raise WireClosed(f"{length} octets are missing", started=True)
        length -= count
        yield buffer[:count]


def _read_until_close(
    wire: Wire, buffer: memoryview, seconds: float, watched: Wire | None
) -> Iterator[memoryview]:
    while count := wire.receive(buffer, seconds, watched):
        yield buffer[:count]


def _read_chunked(
    wire: Wire, buffer: memoryview, seconds: float, watched: Wire | None, is_request: bool
) -> Iterator[memoryview]:
    reader = ChunkedReader(is_request=is_request)
    while not reader.is_complete:
        count = wire.receive(buffer, seconds, watched)
        if not count:
            raise WireClosed("the last chunk is missing", started=True)
        for piece in reader.feed(buffer[:count]):
            yield memoryview(piece)
