"""HTTP/1.1 heads and chunked bodies: the same however they arrive, and refused where two readings differ."""

from collections.abc import Callable, Iterable

import pytest

from sidecar.http1 import (
    CHUNKED,
    HEAD_LIMIT,
    UNTIL_CLOSE,
    ChunkedReader,
    HeadReader,
    MalformedHead,
    RequestHead,
    RequestReader,
    ResponseHead,
    ResponseReader,
    has_token,
    render_request,
    render_response,
)

GET = b"GET /simple/requests/ HTTP/1.1\r\nHost: 127.0.0.1:28100\r\nUser-Agent: pip/26\r\n\r\n"
PUT = b"POST /legacy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


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


@pytest.mark.parametrize("beyond", [b"", b"hello", b"\r\n\r\n", b"GET /next HTTP/1.1\r\n\r\n", b"\0\xff"])
@pytest.mark.parametrize("raw", [GET, PUT], ids=["GET", "POST"])
def test_a_head_is_the_same_at_every_cut_and_what_lies_beyond_is_returned(raw: bytes, beyond: bytes) -> None:
    whole, data = request(raw), raw + beyond
    cuts = [[data], single_octets(data), *([data[:at], data[at:]] for at in range(1, len(data)))]
    for pieces in cuts:
        reader = RequestReader()
        assert feed(reader, pieces) == beyond, pieces
        assert reader.head() == whole, pieces


def test_a_head_that_came_in_three_pieces_cut_in_its_last_four_octets_is_found() -> None:
    for first in range(len(GET) - 4, len(GET)):
        for second in range(first, len(GET)):
            reader = RequestReader()
            assert feed(reader, [GET[:first], GET[first:second], GET[second:] + b"x"]) == b"x"
            assert reader.head().target == "/simple/requests/"


def test_a_request_is_read_into_its_parts() -> None:
    assert request(PUT) == RequestHead(
        "POST",
        "/legacy/",
        "1.1",
        [(b"host", b"x"), (b"content-length", b"5"), (b"expect", b"100-continue")],
        5,
    )


def test_names_are_lower_case_and_order_and_repetition_are_kept() -> None:
    head = request(b"GET / HTTP/1.1\r\nB: 1\r\nA: 2\r\nb:   3\r\nempty:\r\n\r\n")
    assert head.headers == [(b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"empty", b"")]


def test_one_empty_line_before_a_request_is_skipped() -> None:
    assert request(b"\r\n" + GET) == request(GET)


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 0007\r\n\r\n", 7),
        (b"POST / HTTP/1.1\r\nContent-Length: 7 \r\n\r\n", 7),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKED),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\n\r\n", CHUNKED),
        (b"POST / HTTP/1.1\r\ntransfer-encoding:  CHUNKED\r\n\r\n", CHUNKED),
    ],
)
def test_a_request_is_framed_by_its_headers(raw: bytes, length: int) -> None:
    assert request(raw).length == length


def _head(*fields: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join([start, *fields, b"", b""])


CHUNKED_FIELD, LENGTH_FIELD = b"Transfer-Encoding: chunked", b"Content-Length: 4"
REFUSED_REQUESTS = {
    "TE and CL": _head(CHUNKED_FIELD, LENGTH_FIELD),
    "CL and TE": _head(LENGTH_FIELD, CHUNKED_FIELD),
    "two equal lengths": _head(LENGTH_FIELD, LENGTH_FIELD),
    "two lengths": _head(LENGTH_FIELD, b"Content-Length: 5"),
    "a list of lengths": _head(b"Content-Length: 4, 4"),
    "length with a plus": _head(b"Content-Length: +4"),
    "length with a minus": _head(b"Content-Length: -4"),
    "length in hexadecimal": _head(b"Content-Length: 0x4"),
    "length with a blank inside": _head(b"Content-Length: 1 2"),
    "empty length": _head(b"Content-Length:"),
    "length that overflows": _head(b"Content-Length: 99999999999999999999"),
    "xchunked": _head(b"Transfer-Encoding: xchunked"),
    "gzip, chunked": _head(b"Transfer-Encoding: gzip, chunked"),
    "chunked, gzip": _head(b"Transfer-Encoding: chunked, gzip"),
    "chunked, chunked": _head(b"Transfer-Encoding: chunked, chunked"),
    "chunked with a comma": _head(b"Transfer-Encoding: chunked,"),
    "chunked with a parameter": _head(b"Transfer-Encoding: chunked;x=1"),
    "chunked with a blank after": _head(b"Transfer-Encoding: chunked "),
    "chunked with a tab after": _head(b"Transfer-Encoding: chunked\t"),
    "chunked in quotes": _head(b'Transfer-Encoding: "chunked"'),
    "chunked after a vertical tab": _head(b"Transfer-Encoding: \x0bchunked"),
    "identity": _head(b"Transfer-Encoding: identity"),
    "empty coding": _head(b"Transfer-Encoding:"),
    "two chunked": _head(CHUNKED_FIELD, CHUNKED_FIELD),
    "gzip, then chunked": _head(b"Transfer-Encoding: gzip", CHUNKED_FIELD),
    "chunked, then gzip": _head(CHUNKED_FIELD, b"Transfer-Encoding: gzip"),
    "coding with a blank before its colon": _head(b"Transfer-Encoding : chunked"),
    "coding on a continued line": _head(b"Transfer-Encoding:", b" chunked"),
    "continued line": _head(b"A: b", b" c"),
    "continued line by a tab": _head(b"A: b", b"\tc"),
    "continued first line": _head(b" Host: x"),
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: x\r\n\nGET /evil HTTP/1.1\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\rHost: x\r\n\r\n",
    "bare CR in a value": _head(b"A: b\rC: d"),
    "NUL in a value": _head(b"A: b\0c"),
    "NUL in a name": _head(b"A\0: b"),
    "NUL in the target": _head(start=b"GET /\0 HTTP/1.1"),
    "blank in a name": _head(b"A B: c"),
    "no name": _head(b": c"),
    "no colon": _head(b"A"),
    "tab in the target": _head(start=b"GET /a\tb HTTP/1.1"),
    "DEL in the target": _head(start=b"GET /a\x7f HTTP/1.1"),
    "UTF-8 in the target": _head(start="GET /é HTTP/1.1".encode()),
    "Latin-1 in the target": _head(start=b"GET /\xe9 HTTP/1.1"),
    "blank after the version": _head(start=b"GET / HTTP/1.1 "),
    "method in lower case": _head(start=b"get / HTTP/1.1"),
    "unknown method": _head(start=b"FETCH / HTTP/1.1"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0": _head(start=b"GET / HTTP/2.0"),
    "HTTP/1.2": _head(start=b"GET / HTTP/1.2"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9, named": _head(start=b"GET / HTTP/0.9"),
    "a response": _head(start=b"HTTP/1.1 200 OK"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "empty lines only": b"\r\n\r\n",
    "two empty lines first": b"\r\n\r\n" + GET,
}


@pytest.mark.parametrize("raw", REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS.keys())
@pytest.mark.parametrize("split", [lambda raw: [raw], single_octets], ids=["whole", "octets"])
def test_a_request_that_can_be_read_in_two_ways_is_refused(
    raw: bytes, split: Callable[[bytes], list[bytes]]
) -> None:
    reader = RequestReader()
    with pytest.raises(MalformedHead) as caught:  # noqa: PT012 (either step may refuse it)
        feed(reader, split(raw))
        reader.head()
    assert not caught.value.is_too_long


@pytest.mark.parametrize("cut", [b"GET / HTTP/1.1\r\nHost: x", b"GET / HTTP/1.1\r\nHost: x\r\n\r", b"G", b""])
def test_a_head_without_its_end_is_waited_for(cut: bytes) -> None:
    assert RequestReader().feed(cut) is None


def _head_of(size: int) -> bytes:
    empty = _head(b"A: ", start=b"GET / HTTP/1.1")
    return empty.replace(b"A: ", b"A: " + b"a" * (size - len(empty)))


def test_the_longest_head_is_taken_whatever_follows_it() -> None:
    reader = RequestReader()
    assert reader.feed(_head_of(HEAD_LIMIT) + b"x" * HEAD_LIMIT) == b"x" * HEAD_LIMIT
    assert reader.head().method == "GET"


@pytest.mark.parametrize("piece", [1, 1000, HEAD_LIMIT, HEAD_LIMIT + 1])
def test_a_longer_head_is_too_long_however_it_comes(piece: int) -> None:
    raw = _head_of(HEAD_LIMIT + 1)
    reader = RequestReader()
    with pytest.raises(MalformedHead, match="longer than 32768 octets") as caught:
        feed(reader, [raw[at : at + piece] for at in range(0, len(raw), piece)])
    assert caught.value.is_too_long


def test_a_head_without_end_is_too_long_before_it_fills_the_memory() -> None:
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\nA: ")
    with pytest.raises(MalformedHead) as caught:
        feed(reader, [b"aa"] * HEAD_LIMIT)
    assert caught.value.is_too_long


def test_an_upgrade_is_read_as_a_plain_request() -> None:
    reader = RequestReader()
    fields = [b"Host: x", b"Connection: upgrade", b"Upgrade: h2c"]
    assert reader.feed(_head(*fields, start=b"GET /a HTTP/1.1") + b"x") == b"x"
    assert reader.head().target == "/a"


@pytest.mark.parametrize(
    ("raw", "closes"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: te , Close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: te\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_the_client_says_whether_it_stays(raw: bytes, closes: bool) -> None:
    assert request(raw).wants_close is closes


OK = b"HTTP/1.1 200 OK"
FRAMED = [
    ("GET", _head(b"Content-Length: 5", start=OK), 5),
    ("GET", _head(b"Content-Length: 0", start=OK), 0),
    ("GET", _head(CHUNKED_FIELD, start=OK), CHUNKED),
    ("GET", _head(start=OK), UNTIL_CLOSE),
    ("GET", _head(start=b"HTTP/1.0 200 OK"), UNTIL_CLOSE),
    ("POST", _head(start=b"HTTP/1.1 201 Created"), UNTIL_CLOSE),
    ("HEAD", _head(b"Content-Length: 5", start=OK), 0),
    ("HEAD", _head(CHUNKED_FIELD, start=OK), 0),
    ("HEAD", _head(start=OK), 0),
    ("GET", _head(start=b"HTTP/1.1 204 No Content"), 0),
    ("GET", _head(b"Content-Length: 5", start=b"HTTP/1.1 304 Not Modified"), 0),
    ("GET", _head(start=b"HTTP/1.1 304 Not Modified"), 0),
    ("GET", _head(start=b"HTTP/1.1 100 Continue"), 0),
    ("GET", _head(b"Link: x", start=b"HTTP/1.1 103 Early Hints"), 0),
    ("GET", _head(b"Content-Length: 7", start=b"HTTP/1.1 404 Not Found"), 7),
]


@pytest.mark.parametrize(("method", "raw", "length"), FRAMED)
def test_a_response_is_framed_by_method_status_and_headers(method: str, raw: bytes, length: int) -> None:
    assert response(raw, method).length == length


@pytest.mark.parametrize(("method", "raw", "length"), FRAMED)
def test_a_response_in_single_octets_is_the_same(method: str, raw: bytes, length: int) -> None:
    reader = ResponseReader(method)
    assert feed(reader, single_octets(raw + b"hello")) == b"hello"
    assert reader.head() == response(raw, method)


def test_an_interim_response_leaves_the_final_one_beyond() -> None:
    reader = ResponseReader("POST")
    final = _head(b"Content-Length: 0", start=OK)
    assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + final) == final
    assert reader.head().status == 100


REFUSED_RESPONSES = {
    "TE and CL": _head(CHUNKED_FIELD, LENGTH_FIELD, start=OK),
    "two lengths": _head(LENGTH_FIELD, b"Content-Length: 5", start=OK),
    "two equal lengths": _head(LENGTH_FIELD, LENGTH_FIELD, start=OK),
    "gzip": _head(b"Transfer-Encoding: gzip", start=OK),
    "gzip, chunked": _head(b"Transfer-Encoding: gzip, chunked", start=OK),
    "chunked, then gzip": _head(CHUNKED_FIELD, b"Transfer-Encoding: gzip", start=OK),
    "gzip, then chunked": _head(b"Transfer-Encoding: gzip", CHUNKED_FIELD, start=OK),
    "bare LF": b"HTTP/1.1 200 OK\nA: b\n\n",
    "bare CR": b"HTTP/1.1 200 OK\rA: b\r\n\r\n",
    "continued line": _head(b"A: b", b" c", start=OK),
    "NUL": _head(b"A: \0", start=OK),
    "HTTP/0.9": b"<html>\r\n\r\n",
    "status of two digits": _head(start=b"HTTP/1.1 20 OK"),
    "status of four digits": _head(start=b"HTTP/1.1 2000 OK"),
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
}


@pytest.mark.parametrize("raw", REFUSED_RESPONSES.values(), ids=REFUSED_RESPONSES.keys())
def test_a_response_that_can_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    reader = ResponseReader("GET")
    with pytest.raises(MalformedHead):  # noqa: PT012 (either step may refuse it)
        feed(reader, [raw])
        reader.head()


@pytest.mark.parametrize(
    ("raw", "keeps"),
    [
        (_head(b"Content-Length: 0", start=OK), True),
        (_head(CHUNKED_FIELD, start=OK), True),
        (_head(start=OK), False),
        (_head(b"Content-Length: 0", b"Connection: CLOSE", start=OK), False),
        (_head(b"Content-Length: 0", start=b"HTTP/1.0 200 OK"), False),
    ],
)
def test_a_connection_is_kept_only_if_the_response_has_an_end(raw: bytes, keeps: bool) -> None:
    assert response(raw).keeps_connection is keeps


CHUNKED_BODY = (
    b"5\r\nhello\r\n6;name=value\r\n\r\n0\r\n\r\r\n00A\r\n0123456789\r\n"
    b"0\r\nTrailer: x\r\nSet-Cookie: y\r\n\r\n"
)
DECODED = b"hello\r\n0\r\n\r0123456789"


@pytest.mark.parametrize("is_request", [True, False], ids=["request", "response"])
def test_a_chunked_body_is_the_same_at_every_cut_and_its_trailers_are_dropped(is_request: bool) -> None:
    cuts = [[CHUNKED_BODY], single_octets(CHUNKED_BODY)]
    cuts += [[CHUNKED_BODY[:at], CHUNKED_BODY[at:]] for at in range(1, len(CHUNKED_BODY))]
    for pieces in cuts:
        reader = ChunkedReader(is_request=is_request)
        found = b""
        for piece in pieces:
            assert not reader.is_complete
            found += b"".join(reader.feed(memoryview(piece)))
        assert reader.is_complete
        assert found == DECODED, pieces


NEXT_REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nsmuggled"
NEXT_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"


@pytest.mark.parametrize("is_request", [True, False], ids=["request", "response"])
@pytest.mark.parametrize("beyond", [b"x", b"\0", b"0\r\n\r\n", NEXT_REQUEST, NEXT_RESPONSE])
def test_octets_after_the_last_chunk_are_refused_in_the_same_piece_or_later(
    is_request: bool, beyond: bytes
) -> None:
    """Regression: llhttp took them for a next message, and its body joined this one."""
    together = ChunkedReader(is_request=is_request)
    with pytest.raises(MalformedHead):
        together.feed(b"5\r\nhello\r\n0\r\n\r\n" + beyond)
    later = ChunkedReader(is_request=is_request)
    assert later.feed(b"5\r\nhello\r\n0\r\n\r\n") == [b"hello"]
    with pytest.raises(MalformedHead):
        later.feed(beyond)


def test_line_ends_after_the_last_chunk_are_passed_over_however_they_come() -> None:
    """Regression: they were refused where they came later, and taken where they came with the end."""
    together, later = ChunkedReader(is_request=False), ChunkedReader(is_request=False)
    assert together.feed(b"5\r\nhello\r\n0\r\n\r\n\r\n\n") == [b"hello"]
    assert later.feed(b"5\r\nhello\r\n0\r\n\r\n") == [b"hello"]
    assert later.feed(b"\r\n") == later.feed(b"\n") == []
    assert together.is_complete
    assert later.is_complete


@pytest.mark.parametrize("is_request", [True, False], ids=["request", "response"])
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
def test_a_malformed_chunk_is_refused(is_request: bool, body: bytes) -> None:
    with pytest.raises(MalformedHead):
        ChunkedReader(is_request=is_request).feed(body)


@pytest.mark.parametrize("at", range(len(b"5\r\nhello\r\n0\r\n\r\n")))
def test_a_chunked_body_without_its_end_is_not_complete(at: int) -> None:
    reader = ChunkedReader(is_request=False)
    reader.feed(b"5\r\nhello\r\n0\r\n\r\n"[:at])
    assert not reader.is_complete


@pytest.mark.parametrize(
    "bomb", [b"5\r\nhello\r\n0\r\nX: ", b"5\r\nhello\r\n5;"], ids=["trailer", "extension"]
)
@pytest.mark.parametrize("piece", [1, 1000, HEAD_LIMIT + 1])
def test_what_frames_a_chunked_body_is_bounded_as_a_head_is(bomb: bytes, piece: int) -> None:
    """Regression: a trailer without end filled the memory, and each octet cost more than the one before."""
    reader = ChunkedReader(is_request=True)
    reader.feed(bomb)
    with pytest.raises(MalformedHead, match="32768 octets between two"):
        list(map(reader.feed, [b"a" * piece] * (HEAD_LIMIT // piece + 1)))


def test_a_chunked_body_may_have_any_number_of_small_chunks() -> None:
    reader = ChunkedReader(is_request=False)
    for _ in range(HEAD_LIMIT):
        assert reader.feed(b"1\r\nx\r\n") == [b"x"]
    reader.feed(b"0\r\nX: " + b"y" * 1000 + b"\r\n\r\n")
    assert reader.is_complete


def test_a_head_is_rendered_from_its_parts() -> None:
    assert render_request("GET", "/a?b", [(b"host", b"x"), (b"a", b"")]) == (
        b"GET /a?b HTTP/1.1\r\nhost: x\r\na: \r\n\r\n"
    )
    assert render_response(404, b"Not here", []) == b"HTTP/1.1 404 Not here\r\n\r\n"


def test_what_was_rendered_is_read_back() -> None:
    head = request(GET)
    assert request(render_request(head.method, head.target, head.headers)) == head


def test_a_token_is_found_whole_in_any_of_the_lists() -> None:
    headers = [(b"connection", b"keep-alive,  Foo"), (b"connection", b"Upgrade")]
    assert has_token(headers, b"connection", b"upgrade")
    assert has_token(headers, b"connection", b"foo")
    assert not has_token(headers, b"connection", b"keep")
