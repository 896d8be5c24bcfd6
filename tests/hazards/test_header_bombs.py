"""Heads and trailers that are too long or too many, from either side."""

import contextlib
import http.client

import pytest

from support.machine.processes import peak_kib
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGUN, UPLOAD
from support.sidecars.running import Sidecar, fill

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
PAGE = "/simple/foo/"
MIB = 1 << 20
START = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n".encode()
LIMIT = 32 * 1024
MOST_KIB = 32_000
"""Of memory, at any time; at rest it is 18,000, and each bomb is larger than what lies between"""


@pytest.mark.parametrize(
    ("bomb", "status"),
    [
        (START + b"X: " + b"a" * LIMIT + b"\r\n\r\n", 431),
        (START + b"X" * LIMIT + b": a\r\n\r\n", 431),
        (START + b"a:\r\n" * (LIMIT // 4) + b"\r\n", 431),
        (b"GET /" + b"a" * LIMIT + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 414),
        (b"G" * LIMIT, 400),
        (b"\r\n" * LIMIT, 400),
    ],
    ids=["value", "name", "fields", "target", "long target", "method", "empty lines"],
)
def test_a_request_head_that_is_too_long_is_refused_with_a_sentence(
    registry: Registry, sidecar: Sidecar, bomb: bytes, status: int
) -> None:
    with sidecar.connect() as sock:
        sock.sendall(bomb)
        assert sock.recv(65536).startswith(b"HTTP/1.1 %d " % status)
    sidecar.wait_line(message="request", status=status)
    assert registry.connections == 0


@pytest.mark.parametrize("bomb", [START + b"X: ", START + b"X", b"GET /"], ids=["value", "name", "target"])
def test_a_request_head_without_end_ends_its_connection(sidecar: Sidecar, bomb: bytes) -> None:
    with sidecar.connect() as sock:
        sock.sendall(bomb)
        with pytest.raises(ConnectionError):
            fill(sock, b"a" * MIB)
    assert peak_kib(sidecar.process.pid) < MOST_KIB


def test_as_many_fields_as_fit_are_taken(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with sidecar.connect() as sock:
        sock.sendall(START + b"a:\r\n" * 7000 + b"Connection: " + b"b," * 500 + b"c\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
    assert len(registry.requests[0].headers) < 10


@pytest.mark.parametrize("end", [b"0\r\nX: ", b"0\r\nX", b"1;"], ids=["trailer", "name", "extension"])
def test_what_frames_an_upload_without_end_is_refused_and_not_gathered(
    registry: Registry, sidecar: Sidecar, end: bytes
) -> None:
    """Regression: a trailer was gathered whole."""
    registry.on("/upload/", lambda call: call.wait_gone() and None)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n" + BEGUN + end)
        sock.sendall(b"a" * 2 * MIB)
        assert sock.recv(12) == b"HTTP/1.1 400"
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert peak_kib(sidecar.process.pid) < MOST_KIB


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("path", [WHEEL, PAGE])
@pytest.mark.parametrize(
    "bomb",
    [OK + b"X: ", OK + b"X", OK + b"a:\r\n", b"\r\n", OK + b"no colon\n", OK + b"X : y\n z"],
    ids=["value", "name", "fields", "empty lines", "odd lines", "folded lines"],
)
def test_a_response_head_without_end_is_502_and_not_gathered(
    registry: Registry, sidecar: Sidecar, bomb: bytes, path: str
) -> None:
    def pours(call: Call) -> None:
        call.send(bomb)
        while True:
            call.send(bomb[-1:] * MIB if bomb[-1:] != b"\n" else bomb.removeprefix(OK) * 100_000)

    registry.on(path, pours)
    assert sidecar.get(path).status == 502
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert peak_kib(sidecar.process.pid) < MOST_KIB


@pytest.mark.parametrize("path", [WHEEL, PAGE])
@pytest.mark.parametrize("end", [b"0\r\nX: ", b"1;"], ids=["trailer", "extension"])
def test_what_frames_a_response_without_end_breaks_it_and_is_not_gathered(
    registry: Registry, sidecar: Sidecar, end: bytes, path: str
) -> None:
    def pours(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
        call.send_chunk(b"<a>")
        call.send(end)
        while True:
            call.send(b"a" * MIB)

    registry.on(path, pours)
    with contextlib.suppress(OSError, http.client.HTTPException):  # broken off, if it had begun
        assert sidecar.get(path).status == 502
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert peak_kib(sidecar.process.pid) < MOST_KIB


def test_a_response_with_as_many_fields_as_fit_is_passed_on(registry: Registry, sidecar: Sidecar) -> None:
    """As raw bytes: Python's client takes a hundred fields at most."""
    registry.on(WHEEL, lambda call: call.send(OK + b"a:\r\n" * 7000 + b"Content-Length: 5\r\n\r\nwheel"))
    raw = sidecar.exchange(START + b"Connection: close\r\n\r\n")
    assert raw.count(b"\r\na: \r\n") + raw.count(b"\na: \r") >= 7000
    assert raw.endswith(b"\r\n\r\nwheel")


@pytest.mark.parametrize("path", [WHEEL, PAGE, "/upload/"])
def test_interim_answers_without_end_are_given_up(registry: Registry, sidecar: Sidecar, path: str) -> None:
    """RFC 9110 §15.2 sets no bound to them: together they get no more room than one head."""

    def encourages(call: Call) -> None:
        while True:
            call.send(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 1000)

    registry.on(path, encourages)
    if path == "/upload/":
        assert sidecar.upload(b"hello").status in (424, 502)  # whether it was sent whole before the end
    else:
        assert sidecar.get(path).status == 502
    assert registry.gone.wait(PATIENCE_SECONDS)


def test_a_client_that_leaves_while_interim_answers_pour_is_seen_to_leave(
    registry: Registry, sidecar: Sidecar
) -> None:
    """They keep the proxy from waiting, and only while it waits would it look at the client."""

    def encourages(call: Call) -> None:
        while True:
            call.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)

    registry.on(WHEEL, encourages)
    with sidecar.connect() as sock:
        sock.sendall(GET)
        registry.wait_for(WHEEL)
    assert registry.gone.wait(PATIENCE_SECONDS)
