"""Half-closed connections, and ends that arrive together with the last bytes, on both sides."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.machine.processes import open_files, wait_for_open_files
from support.machine.times import soon
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import FORM, TYPE
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
HEAD = "Host: localhost\r\n"
BODY = b"<a href='x'>" * 2000


@pytest.fixture(params=["http", "https"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    with Registry(server_context() if request.param == "https" else None) as found:
        yield found


@pytest.fixture
def sidecar(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    with running_sidecar(tmp_path, grant(registry)) as found:
        yield found


def ask_and_half_close(sidecar: Sidecar, data: bytes) -> bytes:
    """All that comes back, which ends soon."""
    found = b""
    with sidecar.connect() as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        with soon(), contextlib.suppress(ConnectionError):
            while piece := sock.recv(65536):
                found += piece
    return found


@pytest.mark.parametrize("path", [WHEEL, PAGE, "/nothing", "/simple/"])
def test_a_client_that_half_closes_gets_the_whole_answer_or_an_end(
    registry: Registry, sidecar: Sidecar, path: str
) -> None:
    """Most proxies treat it as a client that left, and so may we. A partial answer must not look whole."""
    registry.on("*", lambda call: call.reply(200, BODY))
    before = open_files(sidecar.process.pid)
    for _ in range(10):
        raw = ask_and_half_close(sidecar, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
        assert not raw or raw.startswith(b"HTTP/1.1 ")
        if raw.startswith(b"HTTP/1.1 200") and path == WHEEL:
            head, _, body = raw.partition(b"\r\n\r\n")
            assert f"content-length: {len(BODY)}".encode() in head, "a client sees that a part is none"
            assert BODY.startswith(body)
    wait_for_open_files(sidecar.process.pid, before, before + 1)  # one idle connection to the registry


@pytest.mark.parametrize("missing", [0, 1000], ids=["a whole body", "half a body"])
def test_an_upload_whose_client_half_closes_is_whole_or_none(
    registry: Registry, sidecar: Sidecar, missing: int
) -> None:
    stored: list[bytes] = []

    def stores(call: Call) -> None:
        call.read_body()
        stored.append(bytes(call.request.body))
        call.reply(200, b"stored")

    registry.on("/upload/", stores)
    head = f"POST / HTTP/1.1\r\n{HEAD}Content-Type: {TYPE}\r\nContent-Length: {len(FORM) + missing}\r\n\r\n"
    raw = ask_and_half_close(sidecar, head.encode() + FORM)
    if missing:
        assert not raw.startswith(b"HTTP/1.1 200")
        assert registry.gone.wait(PATIENCE_SECONDS)
        assert stored == []
    else:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while stored != [FORM]:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def with_length(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


def in_chunks(call: Call) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    call.send(head + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("path", [WHEEL, PAGE])
@pytest.mark.parametrize("script", [with_length, in_chunks], ids=lambda one: one.__name__)
@pytest.mark.parametrize("cork", [False, True], ids=["after", "together"])
def test_an_answer_that_arrives_with_the_end_of_its_connection_is_whole(
    registry: Registry, sidecar: Sidecar, script: Callable[[Call], None], path: str, cork: bool
) -> None:
    def ends(call: Call) -> None:
        call._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(cork))
        script(call)
        call._sock.shutdown(socket.SHUT_WR)  # without close_notify, which a framed body does not need

    registry.on(path, ends)
    for _ in range(5):
        reply = sidecar.get(path)
        assert (reply.status, reply.body) == (200, BODY)


def test_a_registry_that_half_closes_and_goes_on_reading_is_not_used_again(
    registry: Registry, sidecar: Sidecar
) -> None:
    """What would be sent there is read, and never answered."""
    released = threading.Event()

    def half_closes(call: Call) -> None:
        with_length(call)
        call._sock.shutdown(socket.SHUT_WR)
        call.wait_gone()
        released.set()

    registry.on(WHEEL, half_closes)
    for number in range(3):
        assert sidecar.get(WHEEL).body == BODY
        assert registry.connections == number + 1
    assert released.wait(PATIENCE_SECONDS)


def test_a_registry_that_half_closes_and_takes_an_upload_all_the_same_is_an_error(
    registry: Registry, sidecar: Sidecar
) -> None:
    def half_closes(call: Call) -> None:
        call._sock.shutdown(socket.SHUT_WR)
        call.wait_gone()

    registry.on("/upload/", half_closes)
    with soon():
        # 424 if the whole upload had been sent by then, for the registry may have taken it
        assert sidecar.upload(b"x" * 1000).status in (424, 502)
