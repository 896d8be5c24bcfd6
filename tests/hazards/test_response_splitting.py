"""A header of a registry's answer that would become two, or an answer that would become two answers."""

import pytest

from support.servers.registry import Registry
from support.sidecars.forms import FORM, LENGTH, UPLOAD
from support.sidecars.running import Sidecar

GET = b"GET /files/foo-1.0-py3-none-any.whl HTTP/1.1\r\nHost: localhost\r\n"
POST = UPLOAD + LENGTH
HIDDEN = GET + b"\r\n"


OK = b"HTTP/1.1 200 OK\r\n"


PLAIN = b"Content-Length: 1\r\n\r\nx"


REFUSED = {
    "a bare carriage return in a value": OK + b"X: y\rSet-Cookie: a=b\r\n" + PLAIN,
    "a carriage return in the phrase": b"HTTP/1.1 200 O\rSet-Cookie: a=b\r\n" + PLAIN,
    "another length and coding": OK
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    "a list of two lengths": OK + b"Content-Length: 1, 2\r\n\r\nxy",
    "a signed length": OK + b"Content-Length: +1\r\n\r\nx",
    "a length behind a blank": OK + b" Content-Length: 2\r\n" + PLAIN,
    "a length with a blank": OK + b"Content-Length : 2\r\n" + PLAIN,
    "a folded length": OK + b"Content-Length: 1\r\n 0\r\n\r\n" + b"x" * 10,
    "a length in a folded line": OK + b"X: y\r\n Content-Length: 2\r\n" + PLAIN,
    "a coding in a folded line": OK + b"X: y\r\n Transfer-Encoding: chunked\r\n" + PLAIN,
    "an unknown coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "chunked that is not the last": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n" + PLAIN,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + PLAIN,
    "another version": b"HTTP/3.0 200 OK\r\n" + PLAIN,
    "a line feed in a chunk's extension": OK + b"Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
}
"""What has two readings, or none"""
TAKEN = {
    "a bare line feed in a value": OK + b"X: y\nSet-Cookie: a=b\r\n" + PLAIN,
    "a NUL in a value": OK + b"X: y\x00Set-Cookie: a=b\r\n" + PLAIN,
    "a folded line": OK + b"X: y\r\n Set-Cookie: a=b\r\n" + PLAIN,
    "a folded line in front": OK + b" Set-Cookie: a=b\r\n" + PLAIN,
    "a space before the colon": OK + b"Set-Cookie : a=b\r\n" + PLAIN,
    "a tab before the colon": OK + b"Set-Cookie\t: a=b\r\n" + PLAIN,
    "an odd octet in the name": OK + b"Set-Cookie\x00: a=b\r\n" + PLAIN,
    "no colon": OK + b"Set-Cookie a=b\r\n" + PLAIN,
    "a line feed in the phrase": b"HTTP/1.1 200 O\nSet-Cookie: a=b\r\n" + PLAIN,
    "the same length and coding": OK
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
}
"""What clients read in one way: the field is the field, or is left out"""


def raw_answer(registry: Registry, sidecar: Sidecar, data: bytes, request_head: bytes) -> bytes:
    registry.on("*", lambda call: (call.read_body(), call.send(data))[1])
    raw = sidecar.exchange(request_head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    assert not {0, 10, 13} & set(head)
    return raw


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_that_can_be_read_in_two_ways_is_502(
    registry: Registry, sidecar: Sidecar, data: bytes
) -> None:
    """Split by the registry, or by a client that chose a value which the registry repeats."""
    raw = raw_answer(registry, sidecar, data, HIDDEN)
    assert raw.startswith(b"HTTP/1.1 502 "), raw
    assert b"set-cookie" not in raw.lower()


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("request_head", [HIDDEN, POST + b"\r\n" + FORM], ids=["GET", "POST"])
def test_an_odd_line_hides_no_field_that_must_not_cross(
    registry: Registry, sidecar: Sidecar, data: bytes, request_head: bytes
) -> None:
    """A session is a credential, however it is written. In the value of another field it sets none."""
    raw = raw_answer(registry, sidecar, data, request_head)
    assert raw.startswith(b"HTTP/1.1 200 "), raw
    assert raw.partition(b"\r\n\r\n")[2] in (b"x", b"1\r\nx\r\n0\r\n\r\n")
    assert b"\r\nset-cookie" not in raw.lower()


def test_a_phrase_that_would_drive_a_terminal_is_passed_without_its_controls(
    registry: Registry, sidecar: Sidecar
) -> None:
    """uv prints it."""
    phrase = bytes(octet for octet in range(256) if octet not in b"\r\n")
    registry.on("*", lambda call: call.send(b"HTTP/1.1 200 " + phrase + b"\r\nContent-Length: 0\r\n\r\n"))
    raw = sidecar.exchange(GET + b"Connection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 200 ")
    shown = raw.partition(b"\r\n")[0]
    assert not {*range(32), 127} & set(shown)
    assert bytes(range(32, 127)) in shown
