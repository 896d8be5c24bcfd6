"""HTTP/1.1 heads: parsed by llhttp, written from their parts. Pure: bytes in, values out.

A head never leaves as it came in: it is rendered from its parsed parts. Both sides then see the same
message, whatever tricks it was written with (RFC 9112 §11.2, request smuggling).
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import httptools

_BLANKS = b" \t"
HEAD_LIMIT = 32 * 1024
"""Bytes of a request's head: twice what nginx and most registries take, so they refuse before we do"""
ANSWER_HEAD_LIMIT = 128 * 1024
"""Bytes of a registry's head. pip takes 64 KiB in each line, uv 400 KiB in all. Arbitrary: 4 MiB for the 32
answers that a Pod gets at once"""

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, in the order received"""

CHUNKED = -1
"""A body's length when it is chunked"""
UNTIL_CLOSE = -2
"""A response body's length when the end of the connection ends it"""

MOST_DIGITS = 4300
"""Of an answer's length. Python reads no number of more, and so pip no length, whatever their zeros"""

_PRINTABLE = bytes(byte if 32 <= byte != 127 else 32 for byte in range(256))


class MalformedHead(ValueError):
    """A head that breaks RFC 9112, or one longer than its limit (then `is_too_long`)."""

    def __init__(self, sentence: str, *, is_too_long: bool = False) -> None:
        super().__init__(sentence)
        self.is_too_long = is_too_long


class RequestHead(NamedTuple):
    method: str
    target: str
    version: str
    headers: Headers
    length: int
    """Of the body, in bytes, or CHUNKED"""

    @property
    def wants_close(self) -> bool:
        return self.version != "1.1" or has_token(self.headers, b"connection", b"close")


Behind = Literal["anything", "nothing", "end"]
"""What may follow a response's body on its connection. Not `anything`: some reader takes it for body.

    nothing    the connection may stay open, in silence
    end        the end of the connection, and only that

No enum: to make one takes a tenth of a millisecond of each start.
"""


class ResponseHead(NamedTuple):
    status: int
    reason: bytes
    version: str
    headers: Headers
    length: int
    """Of the body, in bytes, CHUNKED or UNTIL_CLOSE"""
    behind: Behind = "anything"

    @property
    def keeps_connection(self) -> bool:
        return (
            self.version == "1.1"
            and self.length != UNTIL_CLOSE
            and not has_token(self.headers, b"connection", b"close")
        )


class Collector:
    """Receives llhttp's callbacks; trailers, which come after the head, are dropped."""

    __slots__ = ("bodies", "headers", "is_complete", "is_head_complete", "reason", "target")

    def __init__(self) -> None:
        self.headers: Headers = []
        self.target = b""
        self.reason = b""
        self.bodies: list[bytes] = []
        self.is_head_complete = False
        self.is_complete = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_status(self, part: bytes) -> None:
        self.reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_head_complete:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_head_complete = True

    def on_body(self, part: bytes) -> None:
        self.bodies.append(part)

    def on_message_complete(self) -> None:
        self.is_complete = True


class _AnswerCollector(Collector):
    """Of a response. Blanks behind a value are no part of it (RFC 9112 §5.1), but llhttp leaves them there"""

    __slots__ = ()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_head_complete:
            self.headers.append((name.lower(), value.rstrip(_BLANKS)))


class HeadReader:
    """Reads bytes up to the end of a head; they come in pieces of any size. Base of the readers below."""

    limit = HEAD_LIMIT
    size = 0
    """Bytes of the head so far"""
    _tail = b""
    _collector: Collector
    _feed: Callable[[bytes], None]

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes. Return the bytes beyond the head once it is complete, else None."""
        joined = self._tail + data
        end = joined.find(b"\r\n\r\n")
        past = None if end < 0 else end + 4 - len(self._tail)
        head = data if past is None else data[:past]
        self.size += len(head)
        if self.size > self.limit:
            raise MalformedHead(f"the head is longer than {self.limit} bytes", is_too_long=True)
        try:
            self._feed(head)
        except httptools.HttpParserUpgrade:
            pass  # RFC 9110 §7.8: a server may ignore Upgrade; CONNECT is refused by its method
        except httptools.HttpParserError as error:
            raise MalformedHead(str(error)) from None
        if past is None:
            self._tail = joined[-3:]
            return None
        if not self._collector.is_head_complete:
            raise MalformedHead("empty lines in place of a head")
        return data[past:]


class RequestReader(HeadReader):
    """Reads a client's head."""

    def __init__(self) -> None:
        self._collector = Collector()
        self._parser = httptools.HttpRequestParser(self._collector)
        self._feed = self._parser.feed_data

    def head(self) -> RequestHead:
        parts = self._collector
        length = body_length(parts.headers)
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise MalformedHead(f"HTTP {version} is not spoken here")
        if version == "1.0" and length == CHUNKED:  # RFC 9112 §6.1: somebody on the way did not understand it
            raise MalformedHead("HTTP 1.0 has no transfer codings")
        method = self._parser.get_method().decode("ascii")
        return RequestHead(method, parts.target.decode("ascii"), version, parts.headers, length or 0)


class ResponseReader(HeadReader):
    """Reads a response's head strictly; `method` is the request's, for HEAD responses have no body."""

    def __init__(self, method: str) -> None:
        self._collector = _AnswerCollector()
        self._method = method
        self._parser = httptools.HttpResponseParser(self._collector)
        self._feed = self._parser.feed_data

    def head(self) -> ResponseHead:
        parts = self._collector
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        length = body_length(parts.headers, MOST_DIGITS)
        if self._method == "HEAD" or status < 200 or status in (204, 304):  # RFC 9112 §6.3
            length = 0
        elif length is None:
            length = UNTIL_CLOSE
        return ResponseHead(status, parts.reason, version, parts.headers, length)


def body_length(headers: Headers, most_digits: int = HEAD_LIMIT) -> int | None:
    """Framing by RFC 9112 §6: CHUNKED, a length, or None without either header.

    llhttp has refused both headers together, duplicates and malformed numbers. Any coding besides `chunked`
    is refused here: the two sides could read it in different ways.
    """
    fields = dict(headers)  # a loop for each of the two takes four times as long
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if coding.lower() != b"chunked" or sum(name == b"transfer-encoding" for name, _ in headers) > 1:
            raise MalformedHead("the only transfer coding taken is chunked")
        return CHUNKED
    length = fields.get(b"content-length")
    if length is None:
        return None
    size = number_of(length) if len(length) <= most_digits else None
    if size is None:
        raise MalformedHead("Content-Length is not a number")
    return size


def number_of(digits: bytes) -> int | None:
    """The number that decimal digits spell, None for other text. Blanks behind them are allowed."""
    digits = digits.rstrip(_BLANKS)
    # Python reads no number of more than 4300 digits, and llhttp any number of zeros
    return int(digits.lstrip(b"0") or b"0") if digits.isdigit() else None


def find(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header, or None. `name` in lower case."""
    for key, value in headers:
        if key == name:
            return value
    return None


def has_token(headers: Headers, name: bytes, token: bytes) -> bool:
    """Whether a comma list header holds a token (RFC 9110 §5.6.1). Both in lower case."""
    for key, value in headers:
        if key == name and token in [part.strip().lower() for part in value.split(b",")]:
            return True
    return False


def render_request(method: str, target: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return _render(f"{method} {target} HTTP/1.1".encode("ascii"), headers)


def render_response(status: int, reason: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    # clients print the reason, which may quote a registry: RFC 9112 §4 forbids controls, llhttp allows them
    return _render(b"HTTP/1.1 %d %b" % (status, reason.translate(_PRINTABLE)), headers)


def _render(start: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"%b\r\n%b\r\n" % (start, b"".join([b"%b: %b\r\n" % pair for pair in headers]))
