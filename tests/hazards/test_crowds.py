"""Many requests at once: each is served, and a stalled request delays no other."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.machine.times import soon
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, UPLOAD
from support.sidecars.running import Reply, Sidecar, ask, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
ACTIVE = 192
"""Written here once more: without a bound the descriptors would run out"""
COLD_SECONDS = 11.0
"""Beyond `connections.CONNECT_SECONDS`, and in real time: a limit that a socket kept is no clock of ours"""
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture
def sidecar(roomy: Sidecar) -> Sidecar:
    return roomy


def test_beyond_the_bound_a_503_says_so(registry: Registry, sidecar: Sidecar) -> None:
    release = threading.Event()

    def stall(call: Call) -> None:
        release.wait(PATIENCE_SECONDS)
        call.reply(200, b"x")

    registry.on(WHEEL, stall)
    with ExitStack() as stack:
        served = [stack.enter_context(sidecar.connect()) for _ in range(ACTIVE)]
        for sock in served:
            sock.sendall(GET)
        registry.wait_for(WHEEL, ACTIVE)
        beyond = sidecar.exchange(GET)
        assert b"HTTP/1.1 503 192 requests are under way" in beyond
        assert b"retry-after: 1" in beyond
        release.set()
        for sock in served:
            assert sock.recv(12) == b"HTTP/1.1 200"
        sidecar.wait_line(message="request", status=503, reason="too-busy")
    assert sidecar.get(WHEEL).status == 200


def test_an_upload_beyond_the_bound_reads_the_503(registry: Registry, sidecar: Sidecar) -> None:
    """twine and uv read an answer only after they have sent everything; a reset would come before it."""
    registry.on(WHEEL, lambda call: call.wait_gone() and None)
    with ExitStack() as stack:
        for _ in range(ACTIVE):
            stack.enter_context(sidecar.connect()).sendall(GET)
        registry.wait_for(WHEEL, ACTIVE)
        assert sidecar.upload(b"x" * (16 << 20)).status == 503


def test_a_connection_without_a_request_costs_the_others_nothing(
    registry: Registry, sidecar: Sidecar
) -> None:
    """Port scanners and probes connect and leave, some with a reset."""
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    for number in range(200):
        sock = sidecar.connect()
        if number % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert sidecar.get(WHEEL).status == 200
    assert registry.connections == 1


@pytest.mark.parametrize("is_page", [True, False])
def test_a_registry_that_stalls_holds_up_only_its_own_request(
    registry: Registry, sidecar: Sidecar, is_page: bool
) -> None:
    stalled = "/simple/stalled/" if is_page else "/files/stalled-1.0.tar.gz"
    registry.on(stalled, lambda call: call.wait_gone() and None)
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with sidecar.connect() as sock:
        sock.sendall(f"GET {stalled} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(stalled)
        for _ in range(20):
            assert sidecar.get(WHEEL).status == 200
    assert registry.gone.wait(PATIENCE_SECONDS)


def test_sixty_downloads_at_once_arrive_whole(registry: Registry, sidecar: Sidecar) -> None:
    """uv opens up to 50 connections."""
    bodies = {
        f"/files/foo-{number}.0.tar.gz": random.Random(number).randbytes(300_000) for number in range(60)
    }
    registry.on("*", lambda call: call.reply(200, bodies[call.request.target]))
    with ThreadPoolExecutor(60) as pool:
        for _ in range(2):
            replies = list(pool.map(sidecar.get, bodies))
            assert [reply.body for reply in replies] == list(bodies.values())
    assert registry.connections <= 60


def test_sixty_downloads_that_only_end_together_are_all_begun(registry: Registry, sidecar: Sidecar) -> None:
    """Each waits for the others: a bound below their number would never let them end."""
    together = threading.Barrier(60)

    def waits_for_the_others(call: Call) -> None:
        call.start(200, {"Content-Length": "2"})
        call.send(b"a")
        together.wait(PATIENCE_SECONDS)
        call.send(b"b")
        call.keeps = True

    registry.on("*", waits_for_the_others)
    with ThreadPoolExecutor(60) as pool:
        replies = list(pool.map(sidecar.get, [f"/files/foo-{number}.0.tar.gz" for number in range(60)]))
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"ab")] * 60


def test_a_cold_registry_is_waited_for_while_twenty_other_downloads_go_on(
    registry: Registry, sidecar: Sidecar
) -> None:
    """Nexus and Artifactory fetch a file themselves first: for longer than a connection may take to open."""
    paths = ("/files/cold-1.0.tar.gz", "/simple/cold/")

    def fetches_it_first(call: Call) -> None:
        time.sleep(COLD_SECONDS)
        call.reply(200, b"cold", {"Content-Type": "text/html"})

    def patiently(path: str) -> Reply:
        patience = COLD_SECONDS + PATIENCE_SECONDS
        connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=patience)
        with contextlib.closing(connection):
            return ask(connection, "GET", path)

    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with ThreadPoolExecutor(len(paths) + 20) as pool:
        for path in paths:
            registry.on(path, fetches_it_first)
        cold = [pool.submit(patiently, path) for path in paths]
        for path in paths:
            registry.wait_for(path)
        replies = list(pool.map(sidecar.get, [WHEEL] * 20))
        assert [reply.body for reply in replies] == [b"wheel"] * 20
        assert not any(one.done() for one in cold)
        assert [(one.result().status, one.result().body) for one in cold] == [(200, b"cold")] * len(paths)


def waits(call: Call) -> None:
    call.wait_gone()


def announces_and_waits(call: Call) -> None:
    call.start(200, {"Content-Length": "9"})
    call.wait_gone()


STALLS: dict[str, tuple[bytes, Callable[[Call], None]]] = {
    "before the head": (GET, waits),
    "in the body": (GET, announces_and_waits),
    "in an upload": (
        UPLOAD + b"Content-Length: 100000\r\n\r\n" + BEGIN,
        waits,
    ),
}


@pytest.mark.parametrize(("request_head", "script"), STALLS.values(), ids=STALLS.keys())
def test_fifty_that_stall_hold_back_nobody_else(
    registry: Registry, sidecar: Sidecar, request_head: bytes, script: Callable[[Call], None]
) -> None:
    registry.on(WHEEL, script)
    registry.on("/upload/", script)
    registry.on("/files/bar-1.0.zip", lambda call: call.reply(200, b"bar"))
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(sidecar.connect()).sendall(request_head)
        registry.wait_for("/upload/" if request_head.startswith(b"POST") else WHEEL, 50)
        for _ in range(20):
            with soon():
                assert sidecar.get("/files/bar-1.0.zip").body == b"bar"


def test_clients_that_read_nothing_hold_back_nobody_else(registry: Registry, sidecar: Sidecar) -> None:
    def pours(call: Call) -> None:
        call.start(200, {"Content-Length": str(1 << 40)})
        while True:
            call.send(b"x" * (1 << 16))

    registry.on(WHEEL, pours)
    registry.on("/files/bar-1.0.zip", lambda call: call.reply(200, b"bar"))
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(sidecar.connect()).sendall(GET)
        registry.wait_for(WHEEL, 20)
        for _ in range(20):
            assert sidecar.get("/files/bar-1.0.zip").body == b"bar"


class Counting:
    """How many requests are at the registry at once, at most."""

    def __init__(self, registry: Registry) -> None:
        self.most = 0
        self.order: list[str] = []
        self._now = 0
        self._lock = threading.Lock()
        registry.on("*", self._answer)

    def _answer(self, call: Call) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.order.append(call.request.target)
        call.read_body()
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        call.reply(200, b"x")


def test_no_more_requests_are_at_the_registry_than_the_connector_allows(
    registry: Registry, tmp_path: Path
) -> None:
    counting = Counting(registry)
    with (
        running_sidecar(tmp_path, grant(registry, max_connections=3)) as sidecar,
        ThreadPoolExecutor(40) as pool,
    ):
        pages = [pool.submit(sidecar.get, f"/files/foo-{number}.0.tar.gz") for number in range(30)]
        uploads = [pool.submit(sidecar.upload, b"x" * 1000) for _ in range(10)]
        assert {one.result().status for one in [*pages, *uploads]} == {200}
    assert counting.most == 3
    assert registry.connections <= 3 + 10  # an upload has a connection of its own


def test_requests_beyond_it_come_in_their_order(registry: Registry, tmp_path: Path) -> None:
    counting = Counting(registry)
    paths = [f"/files/foo-{number}.0.tar.gz" for number in range(20)]
    with (
        running_sidecar(tmp_path, grant(registry, max_connections=1)) as sidecar,
        ExitStack() as stack,
    ):
        sidecar.get("/simple/warm/")
        socks = []
        for path in paths:
            sock = stack.enter_context(sidecar.connect())
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            socks.append(sock)
            time.sleep(0.005)  # so that they arrive in this order
        for sock in socks:
            assert sock.recv(12) == b"HTTP/1.1 200"
    assert counting.order[1:] == paths


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_leaves_the_line_is_not_asked_for_at_the_registry(
    registry: Registry, tmp_path: Path
) -> None:
    release = threading.Event()

    def stall(call: Call) -> None:
        release.wait(PATIENCE_SECONDS)
        call.reply(200, b"x")

    registry.on("/files/slow-1.0.zip", stall)
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with (
        running_sidecar(tmp_path, grant(registry, max_connections=1)) as sidecar,
        sidecar.connect() as slow,
    ):
        sidecar.get("/simple/warm/")
        slow.sendall(b"GET /files/slow-1.0.zip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        registry.wait_for("/files/slow-1.0.zip")
        for _ in range(10):
            with sidecar.connect() as sock:
                sock.sendall(GET)
        until(lambda: sum(line.get("reason") == "client-gone" for line in sidecar.lines) == 10)
        release.set()
        assert sidecar.get(WHEEL).status == 200
    assert len(registry.seen(WHEEL)) == 1
