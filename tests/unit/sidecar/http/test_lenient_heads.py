"""Heads of registries that the strict reader refuses: taken where they have one meaning, and only there."""

import pytest

from sidecar.http.http1 import (
    ANSWER_HEAD_LIMIT,
    CHUNKED,
    UNTIL_CLOSE,
    Headers,
    MalformedHead,
    ResponseHead,
    ResponseReader,
)
from sidecar.http.lenient_heads import STATUS_LINE_LIMIT
from sidecar.http.registry_heads import RegistryReader
from support.sidecars.raw_heads import CHUNKED_FIELD, feed, raw_head, single_octets

OK = b"HTTP/1.1 200 OK"
FIVE = b"Content-Length: 5"
TE = b"Transfer-Encoding: "


def read(raw: bytes, method: str = "GET") -> tuple[ResponseHead, bool]:
    """The head, and whether it is odd; it is followed by a body, as a whole piece."""
    reader = RegistryReader(method)
    assert feed(reader, [raw + b"hello"]) == b"hello"
    assert reader.size == len(raw)
    return reader.head(), reader.is_odd


FRAMED = {
    "chunked twice": (raw_head(CHUNKED_FIELD, CHUNKED_FIELD, start=OK), CHUNKED),
    "chunked in a list": (raw_head(TE + b"chunked, Chunked", start=OK), CHUNKED),
    "identity, chunked": (raw_head(TE + b"identity, chunked", start=OK), CHUNKED),
    "an empty coding, chunked": (raw_head(TE + b", chunked", start=OK), CHUNKED),
    "a line without a coding": (raw_head(TE, CHUNKED_FIELD, start=OK), CHUNKED),
    "a token that is no coding": (raw_head(TE + b"none, chunked", start=OK), CHUNKED),
    "identity": (raw_head(TE + b"identity", start=OK), UNTIL_CLOSE),
    "no coding": (raw_head(TE, start=OK), UNTIL_CLOSE),
    "identity and a length": (raw_head(TE + b"identity", FIVE, start=OK), 5),
    "two equal lengths": (raw_head(FIVE, FIVE, start=OK), 5),
    "a list of equal lengths": (raw_head(b"Content-Length: 5, 5,5", start=OK), 5),
    "lengths with hundreds of zeros": (
        raw_head(*[b"Content-Length: " + b"0" * 500 + b"5"] * 2, start=OK),
        5,
    ),
    "equal lengths in two spellings": (raw_head(FIVE, b"Content-Length: 005", start=OK), 5),
    "a length beside chunks": (raw_head(FIVE, CHUNKED_FIELD, start=OK), CHUNKED),
    "line feeds only": (raw_head(FIVE, start=OK).replace(b"\r", b""), 5),
    "one line feed": (b"HTTP/1.1 200 OK\r\nX: y\n" + FIVE + b"\r\n\r\n", 5),
    "a line feed at the end": (b"HTTP/1.1 200 OK\r\n" + FIVE + b"\r\n\n", 5),
    "a line feed before the end": (b"HTTP/1.1 200 OK\r\n" + FIVE + b"\n\r\n", 5),
    "two blanks in the status line": (raw_head(FIVE, start=b"HTTP/1.1  200  OK"), 5),
    "tabs in the status line": (raw_head(FIVE, start=b"HTTP/1.1\t200\tOK"), 5),
    "HTTP/1.2": (raw_head(FIVE, start=b"HTTP/1.2 200 OK"), 5),
    "HTTP/1.10": (raw_head(FIVE, start=b"HTTP/1.10 200 OK"), 5),
    "empty lines in front": (b"\r\n\r\n\n" + raw_head(FIVE, start=OK), 5),
}


@pytest.mark.parametrize(("raw", "length"), FRAMED.values(), ids=FRAMED.keys())
def test_an_odd_head_with_one_meaning_is_read_and_known_to_be_odd(raw: bytes, length: int) -> None:
    head, is_odd = read(raw)
    assert (head.status, head.reason.strip(), head.length, is_odd) == (200, b"OK", length, True)


FIELDS: dict[str, tuple[bytes, Headers]] = {
    "a blank before the colon": (b"X-A : b", [(b"x-a", b"b")]),
    "a tab before the colon": (b"X-A\t:b", [(b"x-a", b"b")]),
    "a folded line": (b"X-A: b\r\n c", [(b"x-a", b"b c")]),
    "a line folded twice": (b"X-A: b\r\n\tc\r\n  d ", [(b"x-a", b"b c d")]),
    "a folded line behind an odd name": (b"X-A : b\r\n c", [(b"x-a", b"b c")]),
    "no colon": (b"some words", []),
    "no colon and a folded line": (b"some words\r\n and more", []),
    "no name": (b": b", []),
    "a colon": (b":", []),
    "a blank in the name": (b"X A: b", []),
    "a parenthesis in the name": (b"X(A): b", []),
    "an octet beyond ASCII in the name": (b"X\xe9: b", []),
    "a blank before the first name": (b" X-A: b", []),
    "a line of blanks": (b"  ", []),
    "a NUL in a value": (b"X-A: b\0c", []),
    "a control in a value": (b"X-A: b\x01c", []),
    "a control in a folded line": (b"X-A: b\r\n c\x01", [(b"x-a", b"b")]),
    "a second status line": (b"HTTP/1.1 404 Not Found", []),
}


@pytest.mark.parametrize(("line", "fields"), FIELDS.values(), ids=FIELDS.keys())
@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_an_odd_line_is_understood_or_left_out_and_the_others_stand(
    line: bytes, fields: Headers, end: bytes
) -> None:
    raw = raw_head(line, FIVE, b"X-Z: z", start=OK).replace(b"\r\n", end)
    head, is_odd = read(raw)
    assert is_odd
    assert head.length == 5
    assert sorted(head.headers) == sorted([*fields, (b"x-z", b"z"), (b"content-length", b"5")])


REFUSED = {
    "two lengths": raw_head(FIVE, b"Content-Length: 4", start=OK),
    "a list of two lengths": raw_head(b"Content-Length: 5, 4", start=OK),
    "a signed length": raw_head(b"Content-Length: +5", start=OK),
    "a negative length": raw_head(b"Content-Length: -1", start=OK),
    "a length with a fraction": raw_head(b"Content-Length: 5.0", start=OK),
    "a quoted length": raw_head(b'Content-Length: "5"', start=OK),
    "a length in two words": raw_head(b"Content-Length: 5 5", start=OK),
    "a length with a comma": raw_head(b"Content-Length: 5,", start=OK),
    "a hexadecimal length": raw_head(b"Content-Length: 0x5", start=OK),
    "a length with a low line": raw_head(b"Content-Length: 1_0", start=OK),
    "an empty length": raw_head(b"Content-Length:", start=OK),
    "an empty length behind a good one": raw_head(FIVE, b"Content-Length:", start=OK),
    "a length beyond 64 bits": raw_head(b"Content-Length: 18446744073709551621", start=OK),
    "a length of thousands of digits": raw_head(b"Content-Length: " + b"9" * 5000, start=OK),
    "a length of thousands of zeros": raw_head(b"Content-Length: " + b"0" * 5000 + b"5", start=OK),
    "two lengths of thousands of zeros": raw_head(*[b"Content-Length: " + b"0" * 5000 + b"5"] * 2, start=OK),
    "chunked behind a blank before a colon": raw_head(b"X-A : b", CHUNKED_FIELD, start=OK),
    "chunked behind a line without a colon": raw_head(b"words", CHUNKED_FIELD, start=OK),
    "chunked behind an octet beyond ASCII": raw_head(b"X\xe9: b", CHUNKED_FIELD, start=OK),
    "chunked behind a NUL": raw_head(b"X\0: b", CHUNKED_FIELD, start=OK),
    "chunked before and behind such a line": raw_head(CHUNKED_FIELD, b"words", CHUNKED_FIELD, start=OK),
    "identity behind such a line": raw_head(FIVE, b"words", TE + b"identity", start=OK),
    "a malformed length beside chunks": raw_head(b"Content-Length: x", CHUNKED_FIELD, start=OK),
    "two lengths beside chunks": raw_head(FIVE, b"Content-Length: 4", CHUNKED_FIELD, start=OK),
    "gzip": raw_head(TE + b"gzip", start=OK),
    "gzip, chunked": raw_head(TE + b"gzip, chunked", start=OK),
    "gzip, then chunked": raw_head(TE + b"gzip", CHUNKED_FIELD, start=OK),
    "chunked, then gzip": raw_head(CHUNKED_FIELD, TE + b"gzip", start=OK),
    "chunked, then identity": raw_head(TE + b"chunked, identity", start=OK),
    "chunked, then nothing": raw_head(TE + b"chunked,", start=OK),
    "chunked, then a line without a coding": raw_head(CHUNKED_FIELD, TE, start=OK),
    "xchunked": raw_head(TE + b"xchunked", start=OK),
    "chunked with a parameter": raw_head(TE + b"chunked;q=1", start=OK),
    "chunked in quotes": raw_head(TE + b'"chunked"', start=OK),
    "a control before chunked": raw_head(TE + b"\x0bchunked", start=OK),
    "a blank before the colon of the length": raw_head(b"Content-Length : 5", start=OK),
    "a blank before the colon of the coding": raw_head(b"Transfer-Encoding : chunked", start=OK),
    "a blank before the length": raw_head(b"X: y", b" Content-Length: 5", start=OK),
    "a blank before the coding": raw_head(b" Transfer-Encoding: chunked", start=OK),
    "a folded length": raw_head(b"Content-Length:", b" 5", start=OK),
    "a length that goes on": raw_head(b"Content-Length: 5", b" 5", start=OK),
    "a coding that goes on": raw_head(CHUNKED_FIELD, b" ,gzip", start=OK),
    "an odd octet in the length's name": raw_head(b"Content-Length\0: 5", start=OK),
    "no colon behind the coding": raw_head(b"Transfer-Encoding chunked", start=OK),
    "a bare carriage return in a value": raw_head(b"X: y\rContent-Length: 4", FIVE, start=OK),
    "a bare carriage return in a harmless value": raw_head(b"X: y\rZ: z", FIVE, start=OK),
    "two carriage returns": raw_head(b"X: y\r", FIVE, start=OK),
    "carriage returns only": raw_head(FIVE, start=OK).replace(b"\n", b"") + b"\n\n",
    "a carriage return in the phrase": raw_head(FIVE, start=b"HTTP/1.1 200 O\rK"),
    "HTTP/0.9": b"<html>\r\n\r\n",
    "a status of two digits": raw_head(FIVE, start=b"HTTP/1.1 20 OK"),
    "a status of four digits": raw_head(FIVE, start=b"HTTP/1.1 2000 OK"),
    "no status": raw_head(FIVE, start=b"HTTP/1.1 OK"),
    "no blank behind the status": raw_head(FIVE, start=b"HTTP/1.1 200-OK"),
    "a version without a minor": raw_head(FIVE, start=b"HTTP/2 200 OK"),
    "no version": raw_head(FIVE, start=b"HTTP 200 OK"),
    "HTTP/2.0": raw_head(FIVE, start=b"HTTP/2.0 200 OK"),
    "RTSP": raw_head(FIVE, start=b"RTSP/1.0 200 OK"),
    "ICE": raw_head(FIVE, start=b"ICE/1.0 200 OK"),
    "a status of 000": raw_head(FIVE, start=b"HTTP/1.1 000 OK"),
    "a status of 099": raw_head(FIVE, start=b"HTTP/1.1 099 OK"),
    "an odd status of 099": raw_head(FIVE, start=b"HTTP/1.1  099 OK"),
    "a long odd status line": raw_head(FIVE, start=b"HTTP/1.1  200 " + b"a" * STATUS_LINE_LIMIT),
    "ICY": raw_head(FIVE, start=b"ICY 200 OK"),
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "empty lines without end": b"\r\n" * ANSWER_HEAD_LIMIT,
    "a status line without end": OK * (ANSWER_HEAD_LIMIT // 10),
    "too long": raw_head(b"X-A : " + b"a" * ANSWER_HEAD_LIMIT, FIVE, start=OK),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "octets"])
def test_a_head_without_one_meaning_is_refused(raw: bytes, is_cut: bool) -> None:
    reader = RegistryReader("GET")
    with pytest.raises(MalformedHead):  # noqa: PT012 (either step may refuse it)
        feed(reader, single_octets(raw) if is_cut else [raw])
        reader.head()


ODD = {**{name: raw for name, (raw, _) in FRAMED.items()}, "odd lines": raw_head(
    *[line for line, _ in FIELDS.values()], FIVE, start=OK
)}  # fmt: skip


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_an_odd_head_is_the_same_at_every_cut(raw: bytes) -> None:
    whole = read(raw)
    cuts = [single_octets(raw), *[[raw[:at], raw[at:]] for at in range(1, len(raw))]]
    for pieces in cuts:
        reader = RegistryReader("GET")
        assert feed(reader, [*pieces[:-1], pieces[-1] + b"hello"]) == b"hello"
        assert (reader.head(), reader.is_odd, reader.size) == (*whole, len(raw))


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_the_strict_reader_still_refuses_it(raw: bytes) -> None:
    """It reads the broker's answers. And so these cases are odd ones."""
    reader = ResponseReader("GET")
    with pytest.raises(MalformedHead):  # noqa: PT012 (either step may refuse it)
        feed(reader, [raw])
        reader.head()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_head_that_rfc_9112_allows_is_not_odd(version: bytes) -> None:
    for raw in (
        raw_head(FIVE, start=b"HTTP/" + version + b" 200"),
        raw_head(FIVE, b"X:", b"Y: \xe9", b"content-length-x: 7", start=b"HTTP/" + version + b" 200 OK"),
    ):
        head, is_odd = read(raw)
        assert (head.length, is_odd) == (5, False)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 103)])
@pytest.mark.parametrize(
    "fields", [(FIVE, b"Content-Length: 4"), (FIVE, CHUNKED_FIELD), (TE + b"gzip",)], ids=str
)
def test_the_framing_of_an_answer_without_a_body_means_nothing(
    method: str, status: int, fields: tuple[bytes, ...]
) -> None:
    head, _ = read(raw_head(*fields, start=b"HTTP/1.1 %d X" % status), method)
    assert (head.status, head.length) == (status, 0)


def test_the_length_that_a_head_announces_twice_is_told_once() -> None:
    head, _ = read(raw_head(FIVE, FIVE, start=OK), "HEAD")
    assert head.headers == [(b"content-length", b"5")]


def test_a_head_may_be_four_times_as_long_as_a_requests() -> None:
    value = b"a" * (ANSWER_HEAD_LIMIT - 100)
    for line in (b"X-A: " + value, b"X-A : " + value):
        head, _ = read(raw_head(line, FIVE, start=OK))
        assert head.headers[0] == (b"x-a", value)


MALFORMED = {
    name: raw
    for name, raw in REFUSED.items()
    if raw.startswith(OK + b"\r\n") and not name.startswith("too long")
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "octets"])
def test_an_upload_is_answered_by_the_status_line_alone(raw: bytes, is_cut: bool) -> None:
    """The registry has acted: neither its fields nor its body change that."""
    reader = RegistryReader("POST")
    feed(reader, single_octets(raw) if is_cut else [raw])
    assert (reader.head().status, reader.head().length, reader.is_odd) == (200, 0, True)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HTTP/1.1 201 Created\r\nContent-Ty", 201),
        (b"HTTP/1.1 201 Created\r\n", 201),
        (b"HTTP/1.1 201\nX: y\n", 201),
        (b"HTTP/1.1 409 Conflict\r\nX: \0", 409),
        (b"HTTP/1.1 201 Created", None),
        (b"HTTP/1.1 2", None),
        (b"<html>\r\n", None),
        (b"", None),
    ],
)
def test_what_a_head_that_breaks_off_tells(raw: bytes, status: int | None) -> None:
    for pieces in ([raw], single_octets(raw)):
        reader = RegistryReader("POST")
        try:
            for piece in pieces:
                assert reader.feed(piece) is None
        except MalformedHead:
            assert status is None
        begun = reader.begun()
        assert (begun and begun.status) == status
