"""HTTP/1.1 heads of responses: how long the body is, and refused where two readings differ."""

import pytest

from sidecar.http.http1 import CHUNKED, UNTIL_CLOSE, MalformedHead, ResponseReader
from support.sidecars.raw_heads import CHUNKED_FIELD, LENGTH_FIELD, feed, raw_head, response, single_octets

OK = b"HTTP/1.1 200 OK"
FRAMED = [
    ("GET", raw_head(b"Content-Length: 5", start=OK), 5),
    ("GET", raw_head(b"Content-Length: 0", start=OK), 0),
    ("GET", raw_head(CHUNKED_FIELD, start=OK), CHUNKED),
    ("GET", raw_head(start=OK), UNTIL_CLOSE),
    ("GET", raw_head(start=b"HTTP/1.0 200 OK"), UNTIL_CLOSE),
    ("POST", raw_head(start=b"HTTP/1.1 201 Created"), UNTIL_CLOSE),
    ("HEAD", raw_head(b"Content-Length: 5", start=OK), 0),
    ("HEAD", raw_head(CHUNKED_FIELD, start=OK), 0),
    ("HEAD", raw_head(start=OK), 0),
    ("GET", raw_head(start=b"HTTP/1.1 204 No Content"), 0),
    ("GET", raw_head(b"Content-Length: 5", start=b"HTTP/1.1 304 Not Modified"), 0),
    ("GET", raw_head(start=b"HTTP/1.1 304 Not Modified"), 0),
    ("GET", raw_head(start=b"HTTP/1.1 100 Continue"), 0),
    ("GET", raw_head(b"Link: x", start=b"HTTP/1.1 103 Early Hints"), 0),
    ("GET", raw_head(b"Content-Length: 7", start=b"HTTP/1.1 404 Not Found"), 7),
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
    final = raw_head(b"Content-Length: 0", start=OK)
    assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + final) == final
    assert reader.head().status == 100


REFUSED_RESPONSES = {
    "TE and CL": raw_head(CHUNKED_FIELD, LENGTH_FIELD, start=OK),
    "two lengths": raw_head(LENGTH_FIELD, b"Content-Length: 5", start=OK),
    "two equal lengths": raw_head(LENGTH_FIELD, LENGTH_FIELD, start=OK),
    "gzip": raw_head(b"Transfer-Encoding: gzip", start=OK),
    "gzip, chunked": raw_head(b"Transfer-Encoding: gzip, chunked", start=OK),
    "chunked, then gzip": raw_head(CHUNKED_FIELD, b"Transfer-Encoding: gzip", start=OK),
    "gzip, then chunked": raw_head(b"Transfer-Encoding: gzip", CHUNKED_FIELD, start=OK),
    "bare LF": b"HTTP/1.1 200 OK\nA: b\n\n",
    "bare CR": b"HTTP/1.1 200 OK\rA: b\r\n\r\n",
    "continued line": raw_head(b"A: b", b" c", start=OK),
    "NUL": raw_head(b"A: \0", start=OK),
    "HTTP/0.9": b"<html>\r\n\r\n",
    "status of two digits": raw_head(start=b"HTTP/1.1 20 OK"),
    "status of four digits": raw_head(start=b"HTTP/1.1 2000 OK"),
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
        (raw_head(b"Content-Length: 0", start=OK), True),
        (raw_head(CHUNKED_FIELD, start=OK), True),
        (raw_head(start=OK), False),
        (raw_head(b"Content-Length: 0", b"Connection: CLOSE", start=OK), False),
        (raw_head(b"Content-Length: 0", start=b"HTTP/1.0 200 OK"), False),
    ],
)
def test_a_connection_is_kept_only_if_the_response_has_an_end(raw: bytes, keeps: bool) -> None:
    assert response(raw).keeps_connection is keeps
