"""Heads that arrive slowly, or never end: bounded in time, and at nobody else's expense."""

import contextlib
import select
import socket
import threading
import time
from contextlib import ExitStack

from support.servers.registry import Call, Registry
from support.sidecars.running import Sidecar

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


def test_a_head_that_never_ends_is_given_up_whether_nothing_comes_or_one_byte_after_the_other(
    sidecar: Sidecar,
) -> None:
    """Slowloris: the limit is for the whole head, because a limit for each byte would never expire."""
    started = time.monotonic()
    ended: list[float] = []

    def drips(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while select.select([sock], [], [], 0.2)[0] == []:
                sock.sendall(b"x")
        ended.append(time.monotonic() - started)

    with sidecar.connect() as silent, sidecar.connect() as dripping:
        silent.sendall(GET[:-2])
        dripping.sendall(GET[:-2] + b"X: ")
        thread = threading.Thread(target=drips, args=(dripping,))
        thread.start()
        silent.settimeout(30)
        assert silent.recv(100) == b""
        ended.append(time.monotonic() - started)
        thread.join()
    assert min(ended) > 9
    assert max(ended) < 15


def test_a_registrys_head_in_single_bytes_is_read(registry: Registry, sidecar: Sidecar) -> None:
    def drips(call: Call) -> None:
        for octet in b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\nwheel':
            call.send(bytes([octet]))

    registry.on(WHEEL, drips)
    reply = sidecar.get(WHEEL)
    assert (reply.status, reply.body, reply.header("etag")) == (200, b"wheel", '"a"')


def test_hundreds_of_heads_that_do_not_end_keep_nobody_from_being_served(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(sidecar.connect()).sendall(GET[:20])
        for _ in range(5):
            assert sidecar.get(WHEEL).status == 200
