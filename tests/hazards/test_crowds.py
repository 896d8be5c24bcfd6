"""Many at once: each is served, and one that stalls holds back nobody else."""

import socket
import threading
from contextlib import ExitStack

import pytest
from registry import PATIENCE_SECONDS, Call, Registry
from sidecars import Sidecar, receive_all

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_beyond_the_bound_a_503_says_so(registry: Registry, sidecar: Sidecar) -> None:
    release = threading.Event()

    def stall(call: Call) -> None:
        release.wait(10)
        call.reply(200, b"x")

    registry.on(WHEEL, stall)
    with ExitStack() as stack:
        served = [stack.enter_context(sidecar.connect()) for _ in range(64)]
        for sock in served:
            sock.sendall(GET)
        registry.wait_for(WHEEL, 64)
        waiting = [stack.enter_context(sidecar.connect()) for _ in range(128)]
        for sock in waiting:
            sock.sendall(GET)
        beyond = _first_refused(stack, sidecar)
        assert b"HTTP/1.1 503 64 requests are under way and 128 more wait" in beyond
        assert b"retry-after: 1" in beyond
        release.set()
        for sock in served + waiting:
            assert sock.recv(12) == b"HTTP/1.1 200"
        sidecar.wait_line(message="request", status=503, reason="too-busy")
    assert sidecar.get(WHEEL).status == 200


def _first_refused(stack: ExitStack, sidecar: Sidecar) -> bytes:
    """The loop that accepts may be behind with the others: the first one that is refused."""
    for _ in range(3):
        sock: socket.socket = stack.enter_context(sidecar.connect())
        sock.settimeout(2)
        sock.sendall(GET)
        try:
            return receive_all(sock)
        except TimeoutError:
            continue
    raise AssertionError("nobody was refused")


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
