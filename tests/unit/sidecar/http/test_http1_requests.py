"""HTTP/1.1 heads of requests: the same however they arrive, and refused where two readings differ."""

from collections.abc import Callable

import pytest

from sidecar.http.http1 import (
    CHUNKED,
    HEAD_LIMIT,
    MalformedHead,
    RequestHead,
    RequestReader,
    has_token,
    render_request,
    render_response,
)
from support.sidecars.raw_heads import CHUNKED_FIELD, LENGTH_FIELD, feed, raw_head, request, single_octets

GET = b"GET /simple/requests/ HTTP/1.1\r\nHost: 127.0.0.1:28100\r\nUser-Agent: pip/26\r\n\r\n"
PUT = b"POST /legacy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


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


REFUSED_REQUESTS = {
    "TE and CL": raw_head(CHUNKED_FIELD, LENGTH_FIELD),
    "CL and TE": raw_head(LENGTH_FIELD, CHUNKED_FIELD),
    "two equal lengths": raw_head(LENGTH_FIELD, LENGTH_FIELD),
    "two lengths": raw_head(LENGTH_FIELD, b"Content-Length: 5"),
    "a list of lengths": raw_head(b"Content-Length: 4, 4"),
    "length with a plus": raw_head(b"Content-Length: +4"),
    "length with a minus": raw_head(b"Content-Length: -4"),
    "length in hexadecimal": raw_head(b"Content-Length: 0x4"),
    "length with a blank inside": raw_head(b"Content-Length: 1 2"),
    "empty length": raw_head(b"Content-Length:"),
    "length that overflows": raw_head(b"Content-Length: 99999999999999999999"),
    "xchunked": raw_head(b"Transfer-Encoding: xchunked"),
    "gzip, chunked": raw_head(b"Transfer-Encoding: gzip, chunked"),
    "chunked, gzip": raw_head(b"Transfer-Encoding: chunked, gzip"),
    "chunked, chunked": raw_head(b"Transfer-Encoding: chunked, chunked"),
    "chunked with a comma": raw_head(b"Transfer-Encoding: chunked,"),
    "chunked with a parameter": raw_head(b"Transfer-Encoding: chunked;x=1"),
    "chunked with a blank after": raw_head(b"Transfer-Encoding: chunked "),
    "chunked with a tab after": raw_head(b"Transfer-Encoding: chunked\t"),
    "chunked in quotes": raw_head(b'Transfer-Encoding: "chunked"'),
    "chunked after a vertical tab": raw_head(b"Transfer-Encoding: \x0bchunked"),
    "identity": raw_head(b"Transfer-Encoding: identity"),
    "empty coding": raw_head(b"Transfer-Encoding:"),
    "two chunked": raw_head(CHUNKED_FIELD, CHUNKED_FIELD),
    "gzip, then chunked": raw_head(b"Transfer-Encoding: gzip", CHUNKED_FIELD),
    "chunked, then gzip": raw_head(CHUNKED_FIELD, b"Transfer-Encoding: gzip"),
    "coding with a blank before its colon": raw_head(b"Transfer-Encoding : chunked"),
    "coding on a continued line": raw_head(b"Transfer-Encoding:", b" chunked"),
    "continued line": raw_head(b"A: b", b" c"),
    "continued line by a tab": raw_head(b"A: b", b"\tc"),
    "continued first line": raw_head(b" Host: x"),
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: x\r\n\nGET /evil HTTP/1.1\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\rHost: x\r\n\r\n",
    "bare CR in a value": raw_head(b"A: b\rC: d"),
    "NUL in a value": raw_head(b"A: b\0c"),
    "NUL in a name": raw_head(b"A\0: b"),
    "NUL in the target": raw_head(start=b"GET /\0 HTTP/1.1"),
    "blank in a name": raw_head(b"A B: c"),
    "no name": raw_head(b": c"),
    "no colon": raw_head(b"A"),
    "tab in the target": raw_head(start=b"GET /a\tb HTTP/1.1"),
    "DEL in the target": raw_head(start=b"GET /a\x7f HTTP/1.1"),
    "UTF-8 in the target": raw_head(start="GET /é HTTP/1.1".encode()),
    "Latin-1 in the target": raw_head(start=b"GET /\xe9 HTTP/1.1"),
    "blank after the version": raw_head(start=b"GET / HTTP/1.1 "),
    "method in lower case": raw_head(start=b"get / HTTP/1.1"),
    "unknown method": raw_head(start=b"FETCH / HTTP/1.1"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0": raw_head(start=b"GET / HTTP/2.0"),
    "HTTP/1.2": raw_head(start=b"GET / HTTP/1.2"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9, named": raw_head(start=b"GET / HTTP/0.9"),
    "a response": raw_head(start=b"HTTP/1.1 200 OK"),
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
    empty = raw_head(b"A: ", start=b"GET / HTTP/1.1")
    return empty.replace(b"A: ", b"A: " + b"a" * (size - len(empty)))


def test_the_longest_head_is_taken_whatever_follows_it() -> None:
    reader = RequestReader()
    assert reader.feed(_head_of(HEAD_LIMIT) + b"x" * HEAD_LIMIT) == b"x" * HEAD_LIMIT
    assert reader.head().method == "GET"


@pytest.mark.parametrize("piece", [1, 1000, HEAD_LIMIT, HEAD_LIMIT + 1])
def test_a_longer_head_is_too_long_however_it_comes(piece: int) -> None:
    raw = _head_of(HEAD_LIMIT + 1)
    reader = RequestReader()
    with pytest.raises(MalformedHead, match="longer than 32768 bytes") as caught:
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
    assert reader.feed(raw_head(*fields, start=b"GET /a HTTP/1.1") + b"x") == b"x"
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


def test_a_length_may_have_any_number_of_leading_zeros() -> None:
    """Regression: Python reads no number of more than 4300 digits, and its error was none of ours."""
    assert request(raw_head(b"Content-Length: " + b"0" * 5000 + b"5")).length == 5
