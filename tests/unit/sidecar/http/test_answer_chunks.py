"""Chunked bodies of registries: odd ones are read as pip and uv read them, and known to be odd."""

import pytest

from sidecar.http.answer_chunks import AnswerChunks
from sidecar.http.http1 import HEAD_LIMIT, MalformedHead
from support.sidecars.raw_heads import single_octets

HELLO = b"5\r\nhello\r\n"
END = b"0\r\n\r\n"


def read(pieces: list[bytes]) -> tuple[bytes, bool, bool]:
    """The body, whether its end has come, and whether it is odd."""
    reader, body = AnswerChunks(), b""
    for piece in pieces:
        if not reader.is_complete:
            body += b"".join(reader.feed(memoryview(piece)))
    return body, reader.is_complete, reader.is_odd


def ways(raw: bytes) -> list[list[bytes]]:
    return [[raw], single_octets(raw), *[[raw[:at], raw[at:]] for at in range(1, len(raw))]]


PLAIN = {
    "two chunks": HELLO + b"6\r\n world\r\n" + END,
    "capitals": b"B\r\nhello world\r\n" + END,
    "small letters": b"b\r\nhello world\r\n" + END,
    "leading zeros": b"0000000000000000000b\r\nhello world\r\n000\r\n\r\n",
    "an extension": b"b;a=b;c\r\nhello world\r\n0;a\r\n\r\n",
    "a trailer": b"b\r\nhello world\r\n0\r\nX: y\r\nSet-Cookie: z\r\n\r\n",
}
ODD = {
    "blanks behind a size": b"b    \r\nhello world\r\n" + END,
    "a tab behind a size": b"b\t\r\nhello world\r\n" + END,
    "blanks behind the last size": b"b\r\nhello world\r\n0  \r\n\r\n",
    "blanks before a size": b"  b\r\nhello world\r\n" + END,
    "blanks around an extension": b"b ; a = b\r\nhello world\r\n" + END,
    "an empty extension": b"b;\r\nhello world\r\n" + END,
    "an extension of anything": b'b;[a] {"\xe9 \0\r\nhello world\r\n' + END,
    "a bare line feed behind a size": b"b\nhello world\r\n" + END,
    "bare line feeds at the end": b"b\r\nhello world\r\n0\n\n",
    "a trailer that is no field": b"b\r\nhello world\r\n0\r\nfoo\r\n\r\n",
    "a blank in a trailer's name": b"b\r\nhello world\r\n0\r\nX y: z\r\n\r\n",
    "a folded trailer": b"b\r\nhello world\r\n0\r\nX: y\r\n z\r\n\r\n",
    "a trailer with a bare line feed": b"b\r\nhello world\r\n0\r\nX: y\n\r\n",
}


@pytest.mark.parametrize("raw", PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_body_is_the_same_at_every_cut(raw: bytes) -> None:
    for pieces in ways(raw):
        assert read(pieces) == (b"hello world", True, False), pieces


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_an_odd_body_is_the_same_at_every_cut(raw: bytes) -> None:
    for pieces in ways(raw):
        assert read(pieces) == (b"hello world", True, True), pieces


REFUSED = {
    "no number": b"x\r\n",
    "a negative size": b"-1\r\n",
    "a signed size": b"+5\r\nhello\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n",
    "a size with a low line": b"0_5\r\nhello\r\n",
    "a size in two words": b"5 5\r\nhello\r\n",
    "a comma behind a size": b"5,a\r\nhello\r\n",
    "no size": b"\r\nhello\r\n",
    "blanks in place of a size": b"  \r\nhello\r\n",
    "an extension in place of a size": b";a\r\nhello\r\n",
    "a size of more than 60 bits": b"1000000000000000\r\n",
    "a bare carriage return behind a size": b"5\rhello\r\n",
    "a bare carriage return in an extension": b"5;a\rb\r\nhello\r\n",
    "a bare line feed in an extension": b"5;a=\nb\r\nhello\r\n",
    "a bare line feed behind a chunk": b"5\r\nhello\n0\n\n",
    "a bare carriage return behind a chunk": b"5\r\nhello\r0\r\n\r\n",
    "no line end behind a chunk": b"5\r\nhello0\r\n\r\n",
    "too much data": b"5\r\nhello!\r\n0\r\n\r\n",
    "too little data": b"6\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_a_chunk_with_two_readings_is_refused(raw: bytes) -> None:
    for pieces in ways(raw):
        with pytest.raises(MalformedHead):
            read(pieces)


NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"


@pytest.mark.parametrize("beyond", [b"x", b"\0", END, b"\r\n" + NEXT, NEXT])
def test_bytes_after_the_end_are_dropped_and_make_the_body_odd(beyond: bytes) -> None:
    assert read([HELLO + END + beyond]) == (b"hello", True, True)


def test_line_ends_after_the_end_are_not_odd() -> None:
    assert read([HELLO + END + b"\r\n\n"]) == (b"hello", True, False)


@pytest.mark.parametrize(
    ("raw", "may_end"),
    [(HELLO + b"0\r\n", True), (HELLO + b"0\r\nX: y\r\n", True), (HELLO + b"0\r\nX", True)]
    + [((HELLO + b"0\r\n")[:at], False) for at in range(len(HELLO) + 3)],
)
def test_the_end_of_the_connection_ends_it_only_behind_the_last_chunk(raw: bytes, may_end: bool) -> None:
    """`0` alone could be the begin of another size."""
    for pieces in ([raw], single_octets(raw)):
        reader = AnswerChunks()
        for piece in pieces:
            reader.feed(piece)
        assert not reader.is_complete
        assert reader.may_end is may_end


@pytest.mark.parametrize(
    "bomb", [HELLO + b"0\r\nX: ", HELLO + b"5;", HELLO + b"000"], ids=["trailer", "extension", "zeros"]
)
@pytest.mark.parametrize("piece", [1, 1000, HEAD_LIMIT + 1])
def test_what_frames_a_body_is_bounded_as_a_requests_head_is(bomb: bytes, piece: int) -> None:
    reader = AnswerChunks()
    reader.feed(bomb)
    with pytest.raises(MalformedHead, match="32768 bytes between two"):
        list(map(reader.feed, [b"0" * piece] * (HEAD_LIMIT // piece + 1)))


def test_many_short_trailers_are_bounded_together() -> None:
    reader = AnswerChunks()
    with pytest.raises(MalformedHead, match="32768 bytes between two"):
        reader.feed(HELLO + b"0\r\n" + b"X: y\r\n" * HEAD_LIMIT)


def test_a_body_may_have_any_number_of_small_chunks() -> None:
    assert read([b"1\r\nx\r\n" * HEAD_LIMIT + END]) == (b"x" * HEAD_LIMIT, True, False)
