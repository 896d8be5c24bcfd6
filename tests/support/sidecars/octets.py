"""Strategies for bytes on the wire: heads, well-formed, slightly wrong or broken, and ways to cut them."""

from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st

T = TypeVar("T")


def tried(times: int) -> settings:
    """At least this many examples, or more if the profile asks for more. No deadline: machines are loaded."""
    return settings(deadline=None, max_examples=max(times, settings().max_examples))


def mostly(common: st.SearchStrategy[T], rare: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """One in sixteen is rare: with a dozen places in a head, half of all heads have none."""
    return st.integers(0, 15).flatmap(lambda number: rare if number == 7 else common)


TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

GOOD_NAMES = st.one_of(
    st.sampled_from(
        [
            b"Host",
            b"Content-Length",
            b"Transfer-Encoding",
            b"Connection",
            b"Authorization",
            b"Cookie",
            b"Proxy-Authorization",
            b"Set-Cookie",
            b"WWW-Authenticate",
            b"PRIVATE-TOKEN",
            b"X-JFrog-Art-Api",
            b"Expect",
            b"Upgrade",
            b"Trailer",
            b"TE",
            b"Keep-Alive",
            b"Location",
            b"Accept",
            b"Range",
            b"If-None-Match",
            b"content-length",
            b"TRANSFER-ENCODING",
        ]
    ),
    st.lists(st.sampled_from(TOKEN), min_size=1, max_size=12).map(bytes),
)
NAMES = mostly(
    GOOD_NAMES, st.sampled_from([b"Content-Length ", b" Transfer-Encoding", b"", b"A B", b"Content-Length"])
)
GOOD_VALUES = st.one_of(
    st.sampled_from(
        [b"close", b"keep-alive, Authorization", b"127.0.0.1", b"a;q=1, b", b"", b"\xe9", b"100-continue"]
    ),
    st.lists(st.sampled_from([*range(32, 127), 9, 128, 255]), max_size=12).map(bytes),
)
ODD_VALUES = st.one_of(
    st.sampled_from(
        [
            b"chunked",
            b"Chunked",
            b"gzip, chunked",
            b"identity",
            b"0",
            b"5",
            b"+5",
            b"5, 5",
            b"0x5",
            b"00005",
            b"18446744073709551616",
            b"close",
            b"keep-alive, Authorization",
            b"upgrade",
            b"127.0.0.1",
            b"evil.example",
            b"100-continue",
            b"a\rb",
            b"a\nb",
            b"a\0b",
            b"a\r\n b",
            b"\x0bchunked",
            b"",
        ]
    ),
    st.binary(max_size=20),
    st.text(max_size=10).map(lambda text: text.encode()),
)
VALUES = mostly(GOOD_VALUES, ODD_VALUES)
FRAMING = st.sampled_from([b"", b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
BLANKS = st.sampled_from([b"", b" ", b"\t", b"  \t "])
ENDS = mostly(st.just(b"\r\n"), st.sampled_from([b"\n", b"\r", b"\r\n\r\n", b"", b"\r\n ", b"\r\n\t"]))


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    found = b""
    for _ in range(draw(st.integers(0, 6))):
        found += draw(NAMES) + b":" + draw(BLANKS) + draw(VALUES) + draw(BLANKS) + draw(ENDS)
    return found


METHODS = mostly(
    st.sampled_from([b"GET", b"HEAD", b"POST"]),
    st.sampled_from([b"CONNECT", b"OPTIONS", b"PRI", b"get", b"G\0T"]),
)
GOOD_TARGETS = st.one_of(
    st.sampled_from([b"/", b"/simple/a/", b"/a-1.zip", b"*", b"http://x/"]),
    st.lists(st.sampled_from(b"/.%2eEfF5cC;?a:@~"), max_size=20).map(lambda octets: b"/" + bytes(octets)),
)
TARGETS = mostly(
    GOOD_TARGETS, st.sampled_from([b"/a b", b"/\xff", b"/a\tb", b"", b"x:443", b"/\0", b"a", b"/#"])
)
VERSIONS = mostly(
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]),
    st.sampled_from([b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/3.0", b"", b"X", b"ICY", b"RTSP/1.0"]),
)
STATUSES = mostly(
    st.sampled_from([b"200", b"204", b"206", b"302", b"304", b"404", b"100"]),
    st.sampled_from([b"101", b"20", b"2000"]),
)
PHRASES = mostly(
    st.sampled_from([b"OK", b"", b"a b"]),
    st.one_of(st.sampled_from([b"a\rb", b"a\nb"]), st.binary(max_size=9)),
)
BEYOND = st.sampled_from(
    [b"", b"hello", b"GET /next HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0\xff\r\n\r\n"]
)


@st.composite
def request_heads(draw: st.DrawFn) -> bytes:
    start = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    return draw(mutated(start + b"\r\n" + draw(fields()) + draw(FRAMING) + b"\r\n")) + draw(BEYOND)


@st.composite
def response_heads(draw: st.DrawFn) -> bytes:
    start = b" ".join((draw(VERSIONS), draw(STATUSES), draw(PHRASES)))
    return draw(mutated(start + b"\r\n" + draw(fields()) + draw(FRAMING) + b"\r\n")) + draw(BEYOND)


EXTENSIONS = mostly(st.sampled_from([b"", b"", b";a=b", b";a"]), st.sampled_from([b" ", b";\n", b"x"]))
TRAILERS = mostly(
    st.sampled_from([b"", b"A: b\r\n", b"Content-Length: 5\r\n"]), st.sampled_from([b"x\n", b"\0: a\r\n"])
)


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    found = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(data)
        found += size + draw(EXTENSIONS) + draw(ENDS) + data + draw(ENDS)
    beyond = mostly(st.just(b""), st.sampled_from([b"x", b"GET / HTTP/1.1\r\n\r\n"]))
    return draw(mutated(found + b"0\r\n" + draw(TRAILERS) + b"\r\n")) + draw(beyond)


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Mostly unchanged; otherwise with a few bytes inserted, removed or changed."""
    for _ in range(draw(mostly(st.just(0), st.integers(1, 3)))):
        at = draw(st.integers(0, len(data)))
        taken = draw(st.integers(0, 3))
        data = (
            data[:at]
            + draw(st.sampled_from([b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b"\xff", b":"]))
            + data[at + taken :]
        )
    return data


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces: single ones, or a few of any size."""
    if draw(st.booleans()):
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
