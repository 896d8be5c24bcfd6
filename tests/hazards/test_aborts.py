"""A client or a registry leaves: the connection of the other side ends within a second."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from support.machine.times import SOON_SECONDS, soon
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, BEGUN, FORM, LENGTH, UPLOAD
from support.sidecars.running import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def leave(sock: socket.socket) -> None:
    sock.close()


def vanish(sock: socket.socket) -> None:
    """With a reset, as a killed process with unread data does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def waits(call: Call) -> None:
    call.wait_gone()


def starts_and_waits(call: Call) -> None:
    call.start(200, {"Content-Length": "1000000"})
    call.send(b"x" * 1000)
    call.wait_gone()


def chunks_and_waits(call: Call) -> None:
    call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
    call.send_chunk(b"<a><a>")
    call.wait_gone()


def pours(call: Call) -> None:
    call.start(200, {"Content-Length": str(1 << 40)})
    while True:
        call.send(b"x" * (1 << 16))


def assert_gone_soon(registry: Registry) -> None:
    with soon():
        assert registry.gone.wait(PATIENCE_SECONDS), "the registry's connection stayed open"


@pytest.mark.parametrize("goes", [leave, vanish])
@pytest.mark.parametrize(
    ("path", "script"),
    [
        (WHEEL, waits),
        ("/simple/foo/", waits),
        (WHEEL, starts_and_waits),
        ("/simple/foo/", chunks_and_waits),
        (WHEEL, pours),
    ],
)
def test_a_download_that_nobody_wants_any_more_ends(
    registry: Registry,
    sidecar: Sidecar,
    path: str,
    script: Callable[[Call], None],
    goes: Callable[[socket.socket], None],
) -> None:
    registry.on(path, script)
    sock = sidecar.connect()
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if script is not waits:
        assert sock.recv(1000)
    registry.wait_for(path)
    goes(sock)
    assert_gone_soon(registry)
    assert sidecar.wait_line(message="request", reason="client-gone")["level"] == "info"


@pytest.mark.parametrize("goes", [leave, vanish])
@pytest.mark.parametrize("length", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
def test_an_upload_that_breaks_off_ends(
    registry: Registry, sidecar: Sidecar, goes: Callable[[socket.socket], None], length: bytes
) -> None:
    registry.on("/upload/", lambda call: call.read_body())
    sock = sidecar.connect()
    sock.sendall(UPLOAD + length + b"\r\n\r\n" + (BEGUN if b"chunked" in length else BEGIN))
    registry.wait_for("/upload/")
    goes(sock)
    assert_gone_soon(registry)


def test_an_upload_that_breaks_off_while_the_registry_stalls_ends(
    registry: Registry, sidecar: Sidecar
) -> None:
    """By a reset alone: a plain close stands behind the bytes that nobody can take, and cannot be seen."""
    released = threading.Event()

    def stall(call: Call) -> None:
        released.wait(PATIENCE_SECONDS)  # reads nothing: the proxy cannot send
        call.read_body()

    registry.on("/upload/", stall)
    sock = sidecar.connect()
    sock.sendall(UPLOAD + b"Content-Length: 1000000000\r\n\r\n" + BEGIN)
    registry.wait_for("/upload/")
    sock.setblocking(False)
    full_since = None
    while full_since is None or time.monotonic() - full_since < 0.3:  # until nothing moves any more
        try:
            sock.send(b"x" * (1 << 20))
            full_since = None
        except BlockingIOError:
            full_since = full_since or time.monotonic()
    with soon():
        vanish(sock)
        sidecar.wait_line(message="request", reason="client-gone")
    released.set()
    assert registry.gone.wait(PATIENCE_SECONDS)


def test_an_upload_that_waits_for_its_answer_ends(registry: Registry, sidecar: Sidecar) -> None:
    def answers_never(call: Call) -> None:
        call.read_body()
        call.wait_gone()

    registry.on("/upload/", answers_never)
    sock = sidecar.connect()
    sock.sendall(UPLOAD + LENGTH + b"\r\n" + FORM)
    registry.wait_for("/upload/")
    sock.close()
    assert_gone_soon(registry)


def test_the_registry_of_these_tests_notices_only_what_happens(registry: Registry, sidecar: Sidecar) -> None:
    """The detector: a client that stays keeps the registry's connection."""
    registry.on(WHEEL, waits)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(WHEEL)
        assert not registry.gone.wait(0.3)


def announces(call: Call) -> None:
    call.start(200, {"Content-Length": "1000000", "Content-Type": "text/html"})


def begins_chunks(call: Call) -> None:
    call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
    call.send_chunk(b"<a href='x'>\n" * 10_000)


def begins_page(call: Call) -> None:
    call.start(200, {"Content-Length": "1000000", "Content-Type": "text/html"})
    call.send(b"<a href='x'>\n" * 10_000)


ENDS: dict[str, Callable[[Call], None]] = {"close": lambda call: None, "cut": Call.cut, "reset": Call.reset}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("path", [WHEEL, "/simple/foo/"])
@pytest.mark.parametrize("script", [announces, begins_chunks, begins_page], ids=lambda one: one.__name__)
def test_a_client_learns_soon_that_the_registry_left(
    registry: Registry,
    sidecar: Sidecar,
    path: str,
    script: Callable[[Call], None],
    end: Callable[[Call], None],
) -> None:
    """And not by a whole answer."""
    left: list[float] = []

    def leaves(call: Call) -> None:
        script(call)
        left.append(time.monotonic())
        end(call)

    registry.on(path, leaves)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        raw = b""
        with contextlib.suppress(ConnectionError):
            while piece := sock.recv(65536):
                raw += piece
    assert time.monotonic() - left[0] < SOON_SECONDS
    assert raw.startswith(b"HTTP/1.1 502") or not raw.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
def test_a_client_whose_upload_pauses_learns_soon_that_the_registry_left(
    registry: Registry, sidecar: Sidecar, framing: bytes, end: Callable[[Call], None]
) -> None:
    def leaves(call: Call) -> None:
        call.read_some()
        end(call)

    registry.on("/upload/", leaves)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + framing + b"\r\n\r\n" + (BEGUN if b"chunked" in framing else BEGIN))
        registry.wait_for("/upload/")
        with soon():
            assert sock.recv(12) == b"HTTP/1.1 502"
