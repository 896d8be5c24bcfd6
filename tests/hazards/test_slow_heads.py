"""Heads that arrive slowly, or never end: bounded in time, and at nobody else's expense."""

import time
from contextlib import ExitStack

from registry import Registry
from sidecars import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_a_head_that_arrives_slowly_is_served_and_holds_up_nobody(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with ExitStack() as stack:
        slow = [stack.enter_context(sidecar.connect()) for _ in range(30)]
        for sock in slow:
            sock.sendall(GET[:20])
        assert sidecar.get(WHEEL).status == 200
        for octet in GET[20:]:
            slow[0].sendall(bytes([octet]))
        assert slow[0].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_head_that_never_ends_is_given_up(sidecar: Sidecar) -> None:
    started = time.monotonic()
    with sidecar.connect() as sock:
        sock.settimeout(30)
        sock.sendall(GET[:-2])
        assert sock.recv(100) == b""
    assert 9 < time.monotonic() - started < 15
