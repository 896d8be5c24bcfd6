"""What the proxy takes of odd answers is what Python's client, which pip uses, takes of them."""

import http.client
import io
from typing import cast

from hypothesis import event, given
from hypothesis import strategies as st

from sidecar.http.answer_chunks import AnswerChunks
from sidecar.http.http1 import CHUNKED, UNTIL_CLOSE, Behind, MalformedHead, find
from sidecar.http.registry_heads import RegistryReader
from support.sidecars.octets import mostly, mutated, tried

BODY = b"hello, world"
LINES = mostly(
    st.sampled_from([b"", b"X-A: b\r\n", b"Content-Type: text/html\r\n"]),
    st.sampled_from(
        [
            b"X-A : b\r\n",
            b"X: y\r\n z\r\n",
            b"X: y\n",
            b"\tX: y\r\n",
            b"X: \x01\r\n",
            b"X\xe9: y\r\n",
            b"words\r\n",
        ]
    ),
)
LENGTHS = st.sampled_from(
    [
        b"Content-Length: 12\r\n",
        b"Content-Length: 12\r\n" * 2,
        b"Content-Length: 12,12\r\n",
        b"content-length:012 \n",
        b"Transfer-Encoding: identity\r\nContent-Length: 12\r\n",
        b"Content-Length: 5\r\n",
    ]
)
CODINGS = st.sampled_from(
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n" * 2,
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
    ]
)
SIZES = mostly(
    st.sampled_from([b"%x\r\n", b"%X\r\n", b"00%x\r\n"]),
    st.sampled_from([b"%x  \r\n", b"%x;a\r\n", b"%x ; a=(\r\n", b" %x\r\n", b"%x\n", b"0x%x\r\n"]),
)
ENDS = mostly(st.just(b"0\r\n\r\n"), st.sampled_from([b"0\r\n", b"0 \r\nX\r\n\r\n", b"0\n\n", b"0", b""]))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    start = draw(
        mostly(st.just(b"HTTP/1.1 200 OK\r\n"), st.sampled_from([b"HTTP/1.1  200\r\n", b"HTTP/1.1 200 OK\n"]))
    )
    if draw(st.booleans()):
        return draw(mutated(start + draw(LINES) + draw(LENGTHS) + draw(LINES) + b"\r\n" + BODY))
    first = draw(st.integers(1, len(BODY) - 1))
    parts = [BODY[:first], BODY[first:]]
    body = b"".join(draw(SIZES) % len(part) + part + b"\r\n" for part in parts) + draw(ENDS)
    return draw(mutated(start + draw(LINES) + draw(CODINGS) + draw(LINES) + b"\r\n" + body))


class _Socket:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def by_python(raw: bytes) -> bytes | None:
    """The body as pip gets it, None if it gets none. urllib3 reads lists, `http.client` does not."""
    response = http.client.HTTPResponse(cast("http.client.socket.socket", _Socket(raw)), method="GET")  # type: ignore[name-defined]
    try:
        response.begin()
        if response.status in (204, 304):
            return None
        codings = ",".join(response.headers.get_all("transfer-encoding", []))
        response.chunked = "chunked" in [one.strip().lower() for one in codings.split(",")]
        lengths = ",".join(response.headers.get_all("content-length", []))
        if response.chunked:
            response.length, response.chunk_left = None, None
        elif "," in lengths:
            (response.length,) = {int(one) for one in lengths.split(",")}
        return response.read()
    except (http.client.HTTPException, ValueError):
        return None


def by_the_proxy(raw: bytes) -> bytes | None:
    reader, chunks = RegistryReader("GET"), AnswerChunks()
    try:
        beyond = reader.feed(raw)
        if beyond is None:
            return None
        head = reader.head()
        if head.status < 200 or head.status in (204, 304):
            return None
        if head.length != CHUNKED:
            whole = head.length == UNTIL_CLOSE or len(beyond) >= head.length
            whole = whole and (head.behind is Behind.ANYTHING or len(beyond) == head.length)
            return (beyond if head.length == UNTIL_CLOSE else beyond[: head.length]) if whole else None
        body = b"".join(chunks.feed(beyond))
    except MalformedHead:
        return None
    length = find(head.headers, b"content-length")
    is_whole = chunks.is_complete or chunks.may_end
    return body if is_whole and (length is None or int(length) == len(body)) else None


@tried(1000)
@given(answers())
def test_no_body_is_another_than_pips(raw: bytes) -> None:
    ours, theirs = by_the_proxy(raw), by_python(raw)
    event(f"ours {ours is not None}, theirs {theirs is not None}")
    assert ours is None or theirs is None or ours == theirs
