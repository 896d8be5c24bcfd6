"""As many pages at once as there are places fit into the memory limit that the webhook sets."""

import functools
import gzip
import random
import socket
import time
from contextlib import ExitStack

import pytest

from support.machine.processes import peak_kib, rests
from support.servers.registry import Call, Registry, Script
from support.sidecars.running import Sidecar
from webhook.pod import resource_choice

ACTIVE = 192
CROWD_SECONDS = 120.0
HTML, JSON = "text/html", "application/vnd.pypi.simple.v1+json"
LIMIT_KIB = int(resource_choice.MEMORY_LIMIT) // 1024


def stalls_behind(kind: str, page: bytes) -> Script:
    """Little on the wire, and never whole."""
    packed = gzip.compress(page)

    def script(call: Call) -> None:
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        call.start(200, {**headers, "Content-Length": str(len(packed) + 100)})
        call.send(packed)
        call.wait_gone()

    return script


@functools.cache
def many_links() -> bytes:
    """Packed, and still more than all buffers on the way hold."""
    chance = random.Random(1)
    digests = (chance.getrandbits(256) for _ in range(90_000))
    lines = (b'<a href="/f/foo-%d.zip#sha256=%064x">x</a>\n' % one for one in enumerate(digests))
    return gzip.compress(b"".join(lines), 1)


def sends_many_links(call: Call) -> None:
    call.reply(200, many_links(), {"Content-Type": HTML, "Content-Encoding": "gzip"})


@pytest.fixture
def sidecar(roomy: Sidecar) -> Sidecar:
    return roomy


PAGES = {
    "blanks without a place to cut": stalls_behind(JSON, b" " * 4_000_000),
    "an attribute without an end": stalls_behind(HTML, b'<a title="' + b"x" * 4_000_000),
    "just below what is held back": stalls_behind(HTML, b'<a title="' + b"x" * 250_000),
    "links that nobody reads": sends_many_links,
}


@pytest.mark.parametrize("script", PAGES.values(), ids=PAGES.keys())
def test_all_places_taken_by_pages_fit_into_the_limit(
    registry: Registry, sidecar: Sidecar, script: Script
) -> None:
    many_links()  # takes a moment
    registry.on("*", script)
    with ExitStack() as stack:
        for number in range(ACTIVE):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", sidecar.port))
            sock.sendall(f"GET /simple/p{number}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        deadline = time.monotonic() + CROWD_SECONDS
        while len(registry.requests) < ACTIVE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert rests(sidecar.process.pid, CROWD_SECONDS)
    assert peak_kib(sidecar.process.pid) < LIMIT_KIB, peak_kib(sidecar.process.pid)
