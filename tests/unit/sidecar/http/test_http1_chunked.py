"""Chunked bodies of requests: the same however they arrive, refused where malformed, and bounded."""

import pytest

from sidecar.http.http1 import HEAD_LIMIT, MalformedHead
from sidecar.http.request_chunks import ChunkedReader
from support.sidecars.raw_heads import single_octets

CHUNKED_BODY = (
    b"5\r\nhello\r\n6;name=value\r\n\r\n0\r\n\r\r\n00A\r\n0123456789\r\n"
    b"0\r\nTrailer: x\r\nSet-Cookie: y\r\n\r\n"
)
DECODED = b"hello\r\n0\r\n\r0123456789"


def test_a_chunked_body_is_the_same_at_every_cut_and_its_trailers_are_dropped() -> None:
    cuts = [[CHUNKED_BODY], single_octets(CHUNKED_BODY)]
    cuts += [[CHUNKED_BODY[:at], CHUNKED_BODY[at:]] for at in range(1, len(CHUNKED_BODY))]
    for pieces in cuts:
        reader = ChunkedReader()
        found = b""
        for piece in pieces:
            assert not reader.is_complete
            found += b"".join(reader.feed(memoryview(piece)))
        assert reader.is_complete
        assert found == DECODED, pieces


NEXT_REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nsmuggled"


@pytest.mark.parametrize("beyond", [b"x", b"\0", b"0\r\n\r\n", NEXT_REQUEST])
def test_octets_after_the_last_chunk_are_refused_in_the_same_piece_or_later(beyond: bytes) -> None:
    """Regression: llhttp took them for a next message, and its body joined this one."""
    together = ChunkedReader()
    with pytest.raises(MalformedHead):
        together.feed(b"5\r\nhello\r\n0\r\n\r\n" + beyond)
    later = ChunkedReader()
    assert later.feed(b"5\r\nhello\r\n0\r\n\r\n") == [b"hello"]
    with pytest.raises(MalformedHead):
        later.feed(beyond)


def test_line_ends_after_the_last_chunk_are_passed_over_however_they_come() -> None:
    """Regression: they were refused where they came later, and taken where they came with the end."""
    together, later = ChunkedReader(), ChunkedReader()
    assert together.feed(b"5\r\nhello\r\n0\r\n\r\n\r\n\n") == [b"hello"]
    assert later.feed(b"5\r\nhello\r\n0\r\n\r\n") == [b"hello"]
    assert later.feed(b"\r\n") == later.feed(b"\n") == []
    assert together.is_complete
    assert later.is_complete


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"\r\nhello\r\n",
        b"5\nhello\n",
        b"5\rhello\r\n",
        b"5\r\nhello0\r\n",
        b"5\r\nhelloo\r\n",
        b"4\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"5;a=\nb\r\nhello\r\n",
        b"0\r\nTransfer-Encoding\r\n\r\n",
        b"0\r\nA: b\n\n",
    ],
)
def test_a_malformed_chunk_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedHead):
        ChunkedReader().feed(body)


@pytest.mark.parametrize("at", range(len(b"5\r\nhello\r\n0\r\n\r\n")))
def test_a_chunked_body_without_its_end_is_not_complete(at: int) -> None:
    reader = ChunkedReader()
    reader.feed(b"5\r\nhello\r\n0\r\n\r\n"[:at])
    assert not reader.is_complete


@pytest.mark.parametrize(
    "bomb", [b"5\r\nhello\r\n0\r\nX: ", b"5\r\nhello\r\n5;"], ids=["trailer", "extension"]
)
@pytest.mark.parametrize("piece", [1, 1000, HEAD_LIMIT + 1])
def test_what_frames_a_chunked_body_is_bounded_as_a_head_is(bomb: bytes, piece: int) -> None:
    """Regression: a trailer without end filled the memory, and each octet cost more than the one before."""
    reader = ChunkedReader()
    reader.feed(bomb)
    with pytest.raises(MalformedHead, match="32768 bytes between two"):
        list(map(reader.feed, [b"a" * piece] * (HEAD_LIMIT // piece + 1)))


def test_a_chunked_body_may_have_any_number_of_small_chunks() -> None:
    reader = ChunkedReader()
    for _ in range(HEAD_LIMIT):
        assert reader.feed(b"1\r\nx\r\n") == [b"x"]
    reader.feed(b"0\r\nX: " + b"y" * 1000 + b"\r\n\r\n")
    assert reader.is_complete
