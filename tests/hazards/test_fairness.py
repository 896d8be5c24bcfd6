"""A peer that is always ready, and so never makes the proxy wait, takes no more than its turn.

A loop that stays with one connection as long as it can would serve no other. That shows only with
transfers that never pause: so the registry uses plain http here, and the greedy peers are very fast.
"""

import contextlib
import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, TYPE, chunk
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GREEDY = "/files/greedy-1.0.tar.gz"
PAGE = "/simple/greedy/"
MIB = 1 << 20
ENDLESS = str(1 << 40)
HEAD = "Host: localhost\r\n"
LINKS = b"<a href='/files/greedy-1.0.tar.gz#sha256=ab'>greedy-1.0.tar.gz</a>\n" * 1000
BOMB = gzip.compress(b"<a>\n" * 500_000, 9)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as found:
        yield found


@pytest.fixture
def sidecar(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    with running_sidecar(tmp_path, grant(registry, ca=None), log_level="info") as found:
        yield found


def pours(headers: dict[str, str], piece: bytes) -> Callable[[Call], None]:
    """A response that never ends, sent as fast as it is taken."""

    def script(call: Call) -> None:
        call.start(200, headers)
        while True:
            call.send(piece)

    return script


HTML = {"Content-Type": "text/html", "Transfer-Encoding": "chunked"}
DOWNLOADS = {
    "a file": (GREEDY, pours({"Content-Length": ENDLESS}, b"x" * MIB)),
    "a file in chunks of one octet": (GREEDY, pours({"Transfer-Encoding": "chunked"}, chunk(b"x") * 10_000)),
    "a page": (PAGE, pours(HTML, chunk(LINKS))),
    "a page that packs well": (PAGE, pours({**HTML, "Content-Encoding": "gzip"}, chunk(BOMB))),
}
UPLOAD = f"POST / HTTP/1.1\r\n{HEAD}Content-Type: {TYPE}\r\n"
SENDERS = {
    "an upload": (f"{UPLOAD}Content-Length: {ENDLESS}\r\n\r\n".encode() + BEGIN, b"x" * MIB),
    "an upload in chunks of one octet": (
        f"{UPLOAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk(BEGIN),
        chunk(b"x") * 500,
    ),
    "an upload that was refused": (
        f"POST /nowhere HTTP/1.1\r\n{HEAD}Content-Length: {ENDLESS}\r\n\r\n".encode(),
        b"x" * MIB,
    ),
    "requests that we answer ourselves": (b"", f"GET /nowhere HTTP/1.1\r\n{HEAD}\r\n".encode() * 1000),
}


class Flow:
    """A connection that only reads, or sends and reads, as fast as it can."""

    def __init__(self, stack: ExitStack, sidecar: Sidecar, start: bytes, again: bytes) -> None:
        self.moved = 0
        self._sock = stack.enter_context(sidecar.connect())
        self._sock.sendall(start)
        self._again = again
        threads = [threading.Thread(target=self._receive)]
        threads += [threading.Thread(target=self._send)] if again else []
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(self._stop)

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while piece := self._sock.recv(MIB):
                self.moved += len(piece)

    def _send(self) -> None:
        self._sock.settimeout(None)
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                self._sock.sendall(self._again)
                self.moved += len(self._again)

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


def assert_others_are_served(registry: Registry, sidecar: Sidecar, flows: list[Flow]) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    moved = 0
    for _ in range(5):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(flow.moved for flow in flows) == moved:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        moved = sum(flow.moved for flow in flows)
        assert sidecar.get(WHEEL).body == b"wheel"


@pytest.mark.parametrize(("path", "script"), DOWNLOADS.values(), ids=DOWNLOADS.keys())
def test_a_download_that_never_pauses_starves_nobody(
    registry: Registry, sidecar: Sidecar, path: str, script: Callable[[Call], None]
) -> None:
    registry.on(path, script)
    with ExitStack() as stack:
        start = f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode()
        flows = [Flow(stack, sidecar, start, b"") for _ in range(2)]
        assert_others_are_served(registry, sidecar, flows)


@pytest.mark.parametrize(("start", "again"), SENDERS.values(), ids=SENDERS.keys())
def test_a_client_that_never_pauses_starves_nobody(
    registry: Registry, sidecar: Sidecar, start: bytes, again: bytes
) -> None:
    registry.on("/upload/", lambda call: call.wait_gone() and None)
    with ExitStack() as stack:
        flows = [Flow(stack, sidecar, start, again) for _ in range(2)]
        assert_others_are_served(registry, sidecar, flows)


NOTHING = {
    "interim answers": (GREEDY, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "a page of empty gzip members": (
        PAGE,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n",
        gzip.compress(b"") * 10_000,
    ),
}


@pytest.mark.parametrize(("path", "start", "piece"), NOTHING.values(), ids=NOTHING.keys())
def test_a_registry_that_pours_what_amounts_to_nothing_starves_nobody(
    registry: Registry, sidecar: Sidecar, path: str, start: bytes, piece: bytes
) -> None:
    pouring = threading.Event()

    def pours_nothing(call: Call) -> None:
        call.send(start)
        while True:
            call.send(piece)
            pouring.set()

    registry.on(path, pours_nothing)
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with sidecar.connect() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
        assert pouring.wait(PATIENCE_SECONDS)
        for _ in range(5):
            assert sidecar.get(WHEEL).body == b"wheel"
