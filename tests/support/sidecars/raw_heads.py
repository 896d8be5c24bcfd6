"""Heads of HTTP/1.1 in bytes, and the readers fed with them."""

from collections.abc import Iterable

from sidecar.http.http1 import HeadReader, RequestHead, RequestReader, ResponseHead, ResponseReader


def feed(reader: HeadReader, pieces: Iterable[bytes]) -> bytes:
    """Feed until the head is complete; return all that lies beyond it."""
    left = None
    for piece in pieces:
        left = left + piece if left is not None else reader.feed(piece)
    assert left is not None, "the head is not complete"
    return left


def request(data: bytes) -> RequestHead:
    reader = RequestReader()
    assert reader.feed(data) == b""
    return reader.head()


def response(data: bytes, method: str = "GET") -> ResponseHead:
    reader = ResponseReader(method)
    assert reader.feed(data) == b""
    return reader.head()


def single_octets(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def raw_head(*fields: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join([start, *fields, b"", b""])


CHUNKED_FIELD, LENGTH_FIELD = b"Transfer-Encoding: chunked", b"Content-Length: 4"
