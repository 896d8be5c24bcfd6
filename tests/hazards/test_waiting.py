"""Waiting costs no CPU: in whatever state a peer leaves the proxy, the process comes to rest.

A loop that gets the same event again and again without acting on it (the end of a stream, data that it
does not want yet, a connection that it cannot accept) turns without end, and no test of answers would notice.
Names of these tests go on after "the process rests beside".
"""

import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.contract.words import GRANTS_PATH
from support.machine import processes
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, TYPE_LINE
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Sidecar, fill, grant, running_sidecar, sidecar_of_broker

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
HEAD = b"Host: localhost\r\n"
GET = f"GET {WHEEL} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"
GET_PAGE = f"GET {PAGE} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HEAD + TYPE_LINE
UPLOAD = POST + b"Content-Length: 100000000\r\n\r\n" + BEGIN


@pytest.fixture
def stalled(registry: Registry) -> Iterator[threading.Event]:
    """Scripts wait for this event; it is set at the end of a test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def client(sidecar: Sidecar) -> Iterator[socket.socket]:
    with sidecar.connect() as sock:
        yield sock


def test_the_proxy_itself_rests(sidecar: Sidecar) -> None:
    assert processes.rests(sidecar.process.pid)


@pytest.mark.parametrize(
    "sent",
    [b"", GET[:20], GET, GET * 3, GET + GET[:20]],
    ids=["nothing", "part", "one", "three", "one and part"],
)
@pytest.mark.parametrize("ends", [False, True], ids=["stays", "half-closes"])
def test_a_client_that_sends_no_more(
    registry: Registry, sidecar: Sidecar, client: socket.socket, sent: bytes, ends: bool
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    client.sendall(sent)
    if ends:
        client.shutdown(socket.SHUT_WR)
    assert processes.rests(sidecar.process.pid)


def test_an_end_behind_part_of_a_head_closes_the_connection(sidecar: Sidecar, client: socket.socket) -> None:
    client.sendall(GET[:20])
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""


BEGINNINGS = {
    "at once": b"",
    "in its head": b"HTTP/1.1 200 OK\r\nX:",
    "in its body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
}


@pytest.mark.parametrize("begins", BEGINNINGS.values(), ids=BEGINNINGS.keys())
@pytest.mark.parametrize(
    "behind", [b"", GET, b"\0garbage", b"x" * 100_000], ids=["nothing", "a request", "garbage", "much"]
)
def test_a_client_that_sends_more_while_the_registry_stalls(
    registry: Registry,
    sidecar: Sidecar,
    client: socket.socket,
    stalled: threading.Event,
    begins: bytes,
    behind: bytes,
) -> None:
    def stalls(call: Call) -> None:
        call.send(begins)
        stalled.wait(PATIENCE_SECONDS)

    registry.on(WHEEL, stalls)
    client.sendall(GET + behind)
    registry.wait_for(WHEEL)
    assert processes.rests(sidecar.process.pid)


@pytest.mark.parametrize("behind", [b"", GET], ids=["nothing", "a request"])
def test_a_client_that_half_closes_while_the_registry_stalls(
    registry: Registry, sidecar: Sidecar, client: socket.socket, stalled: threading.Event, behind: bytes
) -> None:
    registry.on(WHEEL, lambda call: stalled.wait(PATIENCE_SECONDS) and None)
    client.sendall(GET + behind)
    registry.wait_for(WHEEL)
    client.shutdown(socket.SHUT_WR)
    assert processes.rests(sidecar.process.pid)


def many_links(call: Call) -> None:
    call.start(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
    while True:
        call.send_chunk(b"<a href='/files/foo-1.0.zip'>foo</a>\n" * 1000)


def much(call: Call) -> None:
    call.start(200, {"Content-Length": str(1 << 40)})
    while True:
        call.send(b"x" * (1 << 16))


@pytest.mark.parametrize(
    ("request_head", "path", "script"), [(GET, WHEEL, much), (GET_PAGE, PAGE, many_links)]
)
def test_a_client_that_reads_nothing(
    registry: Registry,
    sidecar: Sidecar,
    client: socket.socket,
    request_head: bytes,
    path: str,
    script: Callable[[Call], None],
) -> None:
    registry.on(path, script)
    client.sendall(request_head)
    registry.wait_for(path)
    assert processes.rests(sidecar.process.pid)


@pytest.mark.parametrize("body", [b"", BEGIN])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_an_upload_that_pauses(
    registry: Registry, sidecar: Sidecar, client: socket.socket, framing: bytes, body: bytes
) -> None:
    registry.on("/upload/", lambda call: call.wait_gone() and None)
    client.sendall(
        POST + framing + b"\r\n\r\n" + (b"fff\r\n" if body and b"chunked" in framing else b"") + body
    )
    registry.wait_for("/upload/")
    assert processes.rests(sidecar.process.pid)


def test_a_registry_that_takes_nothing_of_an_upload(
    registry: Registry, sidecar: Sidecar, client: socket.socket, stalled: threading.Event
) -> None:
    registry.on("/upload/", lambda call: stalled.wait(PATIENCE_SECONDS) and None)
    client.sendall(UPLOAD)
    fill(client, b"x" * (1 << 20))
    assert processes.rests(sidecar.process.pid)


def test_a_registry_that_encourages_an_upload_and_takes_nothing(
    registry: Registry, sidecar: Sidecar, client: socket.socket, stalled: threading.Event
) -> None:
    def encourages(call: Call) -> None:
        call.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 1")
        stalled.wait(PATIENCE_SECONDS)

    registry.on("/upload/", encourages)
    client.sendall(UPLOAD)
    fill(client, b"x" * (1 << 20))
    assert processes.rests(sidecar.process.pid)


def test_a_registry_that_answered_early_while_the_client_pauses(
    registry: Registry, sidecar: Sidecar, client: socket.socket
) -> None:
    def refuses(call: Call) -> None:
        call.start(413, {"Content-Length": "8"})
        call.send(b"too much")

    registry.on("/upload/", refuses)
    client.sendall(UPLOAD + b"hello")
    registry.wait_for("/upload/")
    assert processes.rests(sidecar.process.pid)


def test_a_registry_that_closed_an_idle_connection(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    for _ in range(3):
        assert sidecar.get(WHEEL).status == 200
    registry.close_idle()
    assert processes.rests(sidecar.process.pid)
    assert sidecar.get(WHEEL).status == 200


def test_a_registry_that_sends_something_on_an_idle_connection(
    registry: Registry, sidecar: Sidecar, stalled: threading.Event
) -> None:
    """HTTP 408 of a server that is tired of waiting, which nobody asked for."""

    def gets_tired(call: Call) -> None:
        call.reply(200, b"wheel", keeps=False)
        if call.request.connection == 1:
            call.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            stalled.wait(PATIENCE_SECONDS)

    registry.on(WHEEL, gets_tired)
    assert sidecar.get(WHEEL).status == 200
    assert processes.rests(sidecar.process.pid)
    assert sidecar.get(WHEEL).status == 200


def test_a_handshake_that_gets_no_answer(registry: Registry, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with (
            running_sidecar(tmp_path, grant(registry, index_url=f"{origin}/simple/")) as sidecar,
            sidecar.connect() as sock,
        ):
            sock.sendall(GET)
            accepted, _ = silent.accept()
            with accepted:
                assert processes.rests(sidecar.process.pid)


def test_a_broker_that_does_not_answer(registry: Registry, tmp_path: Path) -> None:
    with Broker(grant(registry)) as broker:
        broker.on(GRANTS_PATH, lambda call: call.wait_gone() and None)
        with sidecar_of_broker(tmp_path, broker) as sidecar, sidecar.connect() as sock:
            sock.sendall(GET)
            broker.wait_for(GRANTS_PATH)
            assert processes.rests(sidecar.process.pid)


def test_the_detector_of_this_file_sees_a_loop_that_spins() -> None:
    with subprocess.Popen([sys.executable, "-Sc", "while True: pass"]) as spinning:
        try:
            assert not processes.rests(spinning.pid, 1.0)
        finally:
            spinning.kill()


def test_connections_that_cannot_be_accepted(
    registry: Registry, sidecar: Sidecar, stalled: threading.Event
) -> None:
    """All descriptors are in use by working connections: new connections must wait, and so must the loop."""
    registry.on(WHEEL, lambda call: stalled.wait(PATIENCE_SECONDS) and None)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(sidecar.connect()).sendall(GET)
        registry.wait_for(WHEEL, 5)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = max(int(path.name) for path in Path(f"/proc/{sidecar.process.pid}/fd").iterdir()) + 1
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_NOFILE, (most, hard))
        for _ in range(20):
            stack.enter_context(sidecar.connect())
        assert processes.rests(sidecar.process.pid)
    resource.prlimit(sidecar.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    stalled.set()
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    assert sidecar.get(WHEEL).status == 200
