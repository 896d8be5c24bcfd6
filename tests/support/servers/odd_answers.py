"""Answers that break RFC 9112 or name a coding that is none, and that have one meaning all the same."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"

Render = Callable[[bytes, bytes, bytes], bytes]
"""Of a status line with its end, fields, and a body"""


class OddAnswer(NamedTuple):
    render: Render
    uv_takes_it: bool = True
    """Without the proxy. pip takes all of them"""
    may_have_more: bool = True
    """Whether bytes may follow that are no part of it: otherwise some reader takes them for body"""
    may_stay: bool = True
    """Whether its connection may stay open: otherwise pip waits for its end"""


def _of_length(fields: bytes = b"") -> Render:
    def render(start: bytes, others: bytes, body: bytes) -> bytes:
        return start + others + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body

    return render


def _of_chunks(fields: bytes = CHUNKED, size: bytes = b"", end: bytes = END) -> Render:
    def render(start: bytes, others: bytes, body: bytes) -> bytes:
        return start + others + fields + b"\r\n%x%b\r\n%b\r\n%b" % (len(body), size, body, end)

    return render


def _of_lengths(fields: bytes) -> Render:
    """`@` stands for the length."""

    def render(start: bytes, others: bytes, body: bytes) -> bytes:
        return start + others + fields.replace(b"@", b"%d" % len(body)) + b"\r\n" + body

    return render


def _with_both(start: bytes, others: bytes, body: bytes) -> bytes:
    return _of_chunks(CHUNKED + b"Content-Length: %d\r\n" % len(body))(start, others, body)


def _by_line_feeds(start: bytes, others: bytes, body: bytes) -> bytes:
    return (
        _of_length()(start, others, b"").replace(b": 0", b": %d" % len(body)).replace(b"\r\n", b"\n") + body
    )


def _with_start(old: bytes, new: bytes) -> Render:
    def render(start: bytes, others: bytes, body: bytes) -> bytes:
        return _of_length()(start.replace(old, new), others, body)

    return render


ODD_ANSWERS: Mapping[str, OddAnswer] = {
    "chunked-twice": OddAnswer(_of_chunks(CHUNKED * 2)),
    "chunked-in-a-list": OddAnswer(_of_chunks(b"Transfer-Encoding: identity, Chunked, chunked\r\n")),
    "a-token-before-chunked": OddAnswer(_of_chunks(b"Transfer-Encoding: none\r\n" + CHUNKED)),
    "identity-and-a-length": OddAnswer(_of_length(b"Transfer-Encoding: identity\r\n"), may_have_more=False),
    "two-equal-lengths": OddAnswer(_of_lengths(b"Content-Length: @\r\nContent-Length: @\r\n")),
    "a-list-of-equal-lengths": OddAnswer(_of_lengths(b"Content-Length: @, @\r\n")),
    "zeros-before-a-second-length": OddAnswer(_of_lengths(b"Content-Length: @\r\nContent-Length: 00@\r\n")),
    "the-same-length-beside-chunks": OddAnswer(_with_both),
    "padded-sizes": OddAnswer(_of_chunks(size=b"    ")),
    "a-padded-last-size": OddAnswer(_of_chunks(end=b"0  \r\n\r\n")),
    "odd-extensions": OddAnswer(_of_chunks(size=b' ; a = [b] "c')),
    "bytes-behind-the-last-chunk": OddAnswer(_of_chunks(end=END + b"garbage")),
    "line-feeds-only": OddAnswer(_by_line_feeds),
    "a-single-line-feed": OddAnswer(_of_length(b"X-A: b\n")),
    "odd-trailers": OddAnswer(_of_chunks(end=b"0\r\nno colon\r\n\r\n"), uv_takes_it=False),
    "no-line-behind-the-last-chunk": OddAnswer(_of_chunks(end=b"0\r\n"), uv_takes_it=False),
    "a-line-feed-behind-a-size": OddAnswer(_of_chunks(end=b"0\n\r\n"), uv_takes_it=False),
    "a-blank-before-a-colon": OddAnswer(
        _of_length(b"X-A : b\r\n"), uv_takes_it=False, may_have_more=False, may_stay=False
    ),
    "a-line-without-a-colon": OddAnswer(
        _of_length(b"no colon\r\n"), uv_takes_it=False, may_have_more=False, may_stay=False
    ),
    "a-folded-line": OddAnswer(_of_length(b"X-A: b\r\n c\r\n"), uv_takes_it=False),
    "a-name-that-is-no-token": OddAnswer(_of_length(b"X(A): b\r\n"), uv_takes_it=False),
    "a-control-in-a-value": OddAnswer(_of_length(b"X-A: b\x01\r\n"), uv_takes_it=False),
    "blanks-in-the-status-line": OddAnswer(_with_start(b" ", b"  "), uv_takes_it=False),
    "another-minor-version": OddAnswer(_with_start(b"1.1", b"1.2"), uv_takes_it=False),
}
"""Answers whose framing is odd"""


def _until_close(start: bytes, others: bytes, body: bytes) -> bytes:
    return start + others + b"Transfer-Encoding: identity\r\n\r\n" + body


RARE_ANSWERS: Mapping[str, OddAnswer] = {
    "identity-alone": OddAnswer(_until_close),
    "a-long-head": OddAnswer(_of_length((b"X-A: " + b"a" * 60_000 + b"\r\n") * 2)),
}
"""Answers that registries hardly send, and behind which another could not follow, or may"""

TOKENS = ("aws-chunked", "none", "utf-8", "binary", "", "ascii", "none, identity")
"""Values of Content-Encoding that name no coding. pip and uv take the body as it is"""
