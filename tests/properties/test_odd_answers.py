"""A body that the proxy takes of an odd answer is the one that Python's client, which pip uses, takes of it.

Python's parser stops at an odd line of a head, and may lose the fields behind it. There the proxy takes more:
the body that Python's client gets without such lines.
"""

import http.client
import io
import re
from typing import cast

from hypothesis import event, given
from hypothesis import strategies as st

from sidecar.http.answer_chunks import AnswerChunks
from sidecar.http.http1 import CHUNKED, UNTIL_CLOSE, MalformedHead, find
from sidecar.http.registry_heads import RegistryReader
from support.sidecars.octets import mostly, mutated, tried

BODY = b"hello, world"
USUAL_LINES = [b"", b"X-A: b\r\n", b"Content-Type: text/html\r\n"]
ODD_LINES = [b"X-A : b\r\n", b"X: y\r\n z\r\n", b"X: y\n", b"X: \x01\r\n", b"X\xe9: y\r\n", b"X\r\n"]
FOLD = b"\tX: y\r\n"
"""Behind a field of framing the proxy refuses it"""
LINES = mostly(st.sampled_from(USUAL_LINES), st.sampled_from([*ODD_LINES, FOLD]))
STARTS = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1  200\r\n", b"HTTP/1.1 200 OK\n"]
_A_FIELD = re.compile(rb"[!-9;-~]+:")
"""As `email.feedparser` sees one"""
SHORT = b"Content-Length: 5\r\n"
LENGTHS = st.sampled_from(
    [
        b"Content-Length: 12\r\n",
        b"Content-Length: 12\r\n" * 2,
        b"Content-Length: 12,12\r\n",
        b"content-length:012 \n",
        b"Transfer-Encoding: identity\r\nContent-Length: 12\r\n",
        SHORT,
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
USUAL_SIZES = [b"%x\r\n", b"%X\r\n", b"00%x\r\n"]
ODD_SIZES = [b"%x  \r\n", b"%x;a\r\n", b"%x ; a=(\r\n", b" %x\r\n", b"%x\n"]
SIZES = mostly(st.sampled_from(USUAL_SIZES), st.sampled_from([*ODD_SIZES, b"0x%x\r\n"]))
LAST = [b"0\r\n\r\n", b"0\r\n", b"0 \r\nX\r\n\r\n", b"0\n\n"]
ENDS = mostly(st.just(LAST[0]), st.sampled_from([*LAST[1:], b"0", b""]))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    start = draw(mostly(st.just(STARTS[0]), st.sampled_from(STARTS[1:])))
    if draw(st.booleans()):
        return draw(mutated(start + draw(LINES) + draw(LENGTHS) + draw(LINES) + b"\r\n" + BODY))
    body = _chunked(draw, SIZES) + draw(ENDS)
    return draw(mutated(start + draw(LINES) + draw(CODINGS) + draw(LINES) + b"\r\n" + body))


@st.composite
def answers_with_one_meaning(draw: st.DrawFn) -> bytes:
    """Odd in any places, but in none that the proxy refuses: pip reads no framing behind some odd lines."""
    read_by_pip = [line for line in ODD_LINES if _A_FIELD.match(line)]
    before = st.lists(st.sampled_from([*USUAL_LINES, *read_by_pip]), max_size=3).map(b"".join)
    behind = st.lists(st.sampled_from([*USUAL_LINES, *ODD_LINES]), max_size=3).map(b"".join)
    start = draw(st.sampled_from(STARTS)) + draw(before)
    if draw(st.booleans()):
        lengths = LENGTHS.filter(lambda field: field != SHORT)
        return start + draw(lengths) + draw(behind) + b"\r\n" + BODY
    body = _chunked(draw, st.sampled_from([*USUAL_SIZES, *ODD_SIZES])) + draw(st.sampled_from(LAST))
    return start + draw(CODINGS) + draw(behind) + b"\r\n" + body


def _chunked(draw: st.DrawFn, sizes: st.SearchStrategy[bytes]) -> bytes:
    first = draw(st.integers(1, len(BODY) - 1))
    parts = [BODY[:first], BODY[first:]]
    return b"".join(draw(sizes) % len(part) + part + b"\r\n" for part in parts)


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
            whole = whole and (head.behind == "anything" or len(beyond) == head.length)
            return (beyond if head.length == UNTIL_CLOSE else beyond[: head.length]) if whole else None
        body = b"".join(chunks.feed(beyond))
    except MalformedHead:
        return None
    length = find(head.headers, b"content-length")
    is_whole = chunks.is_complete or chunks.may_end
    return body if is_whole and (length is None or int(length) == len(body)) else None


def without_odd_lines(raw: bytes) -> bytes:
    """The answer without the lines of its head that give Python's parser no field."""
    head, body = re.split(rb"\n\r?\n", raw.lstrip(b"\r\n"), maxsplit=1)
    start, *lines = head.split(b"\n")
    kept: list[bytes] = []
    is_kept = False
    for line in lines:
        is_kept = bool(_A_FIELD.match(line)) or (is_kept and line[:1] in (b" ", b"\t"))
        kept += [line.removesuffix(b"\r")] * is_kept
    return b"\r\n".join([start.removesuffix(b"\r"), *kept]) + b"\r\n\r\n" + body


@tried(1000)
@given(answers())
def test_no_body_is_another_than_pips(raw: bytes) -> None:
    ours, theirs = by_the_proxy(raw), by_python(raw)
    event(f"ours {ours is not None}, theirs {theirs is not None}")
    if ours is not None:
        assert ours == (by_python(without_odd_lines(raw)) if theirs is None else theirs)


@tried(1000)
@given(answers_with_one_meaning())
def test_an_answer_with_one_meaning_is_taken(raw: bytes) -> None:
    assert by_the_proxy(raw) == BODY
