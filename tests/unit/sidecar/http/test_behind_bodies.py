"""What an odd head says of the bytes behind its body, and what an odd status line costs."""

import contextlib

import pytest

from sidecar.http import lenient_heads
from sidecar.http.http1 import Behind, MalformedHead
from sidecar.http.lenient_heads import STATUS_LINE
from sidecar.http.registry_heads import RegistryReader
from support.sidecars.raw_heads import CHUNKED_FIELD, feed, raw_head, single_octets

OK = b"HTTP/1.1 200 OK"
FIVE = b"Content-Length: 5"
TE = b"Transfer-Encoding: "

BEHIND = {
    "identity and a length": ((TE + b"identity", FIVE), "nothing"),
    "a length and identity": ((FIVE, TE + b"identity"), "nothing"),
    "an empty coding and a length": ((TE, FIVE), "nothing"),
    "an unknown coding and a length": ((TE + b"x", FIVE), "nothing"),
    "a blank before a colon": ((b"X-A : b", FIVE), "end"),
    "a line without a colon": ((b"words", FIVE), "end"),
    "an octet beyond ASCII": ((b"X\xe9: b", FIVE), "end"),
    "a NUL in a name": ((b"X\0: b", FIVE), "end"),
    "such a line, folded": ((b"words", b" X: y", FIVE), "end"),
    "identity in front of such a line": ((TE + b"identity", b"words", FIVE), "end"),
    "a length in front of such a line": ((FIVE, b"words"), "anything"),
    "a length on both sides": ((FIVE, b"words", FIVE), "anything"),
    "identity and a length in front": ((TE + b"identity", FIVE, b"words"), "nothing"),
    "chunked in front, a length behind": ((CHUNKED_FIELD, b"words", FIVE), "anything"),
    "no framing": ((b"words",), "anything"),
    "a parenthesis in a name": ((b"X(A): b", FIVE), "anything"),
    "no name": ((b": b", FIVE), "anything"),
    "a folded line": ((b"X: y", b" z", FIVE), "anything"),
    "a blank before the first name": ((b" X: y", FIVE), "anything"),
    "a control in a value": ((b"X: \x01", FIVE), "anything"),
    "two lengths": ((FIVE, FIVE), "anything"),
    "a plain head": ((FIVE,), "anything"),
}


@pytest.mark.parametrize(("lines", "behind"), BEHIND.values(), ids=BEHIND.keys())
def test_a_head_tells_what_may_follow_its_body(lines: tuple[bytes, ...], behind: Behind) -> None:
    for method, expected in (("GET", behind), ("HEAD", "anything")):
        reader = RegistryReader(method)
        assert feed(reader, [raw_head(*lines, start=OK) + b"hello"]) == b"hello"
        assert reader.head().behind is expected


def test_blanks_in_a_status_line_cost_no_more_than_their_number() -> None:
    """With two parts that could share blanks, or with steps back, this takes days."""
    assert STATUS_LINE.fullmatch(b"HTTP/1.1 200" + b" " * 10_000_000 + b"\r") is None
    assert STATUS_LINE.fullmatch(b"HTTP/1.1" + b" " * 10_000_000 + b"\r") is None


@pytest.mark.parametrize("begin", [b"HTTP/1.7", b"HTTP/1.7 200", b"HTTP/1.7 200 O"], ids=str)
def test_a_status_line_is_tried_once_in_however_many_pieces(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bytes] = []

    class Counting:
        def fullmatch(self, text: bytes) -> object:
            tries.append(text)
            return STATUS_LINE.fullmatch(text)

    monkeypatch.setattr(lenient_heads, "STATUS_LINE", Counting())
    reader = RegistryReader("GET")
    raw = begin + b" " * 5000 + b"\r\n"
    with contextlib.suppress(MalformedHead):  # the last ones are a status line
        for octet in single_octets(raw):
            reader.feed(octet)
    assert tries == [raw.removesuffix(b"\r\n")]
