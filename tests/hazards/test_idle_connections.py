"""Idle connections, on both sides: they are used again, and cause no error if they have ended."""

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from support.machine import processes
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.running import Sidecar, ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_a_connection_that_rested_is_served_again(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with sidecar.connect() as sock:
        for _ in range(2):
            sock.sendall(GET)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.7)  # longer than a worker waits for the next request: the lobby has it now


def test_a_connection_that_the_registry_closed_meanwhile_is_no_error(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    for _ in range(20):
        assert sidecar.get(WHEEL).status == 200
        registry.close_idle()


def test_a_connection_that_the_registry_closes_at_the_very_request_is_no_error(
    registry: Registry, sidecar: Sidecar
) -> None:
    def closes_when_reused(call: Call) -> None:
        if call.request.connection == registry.connections and len(registry.requests) % 2:
            call.reply(200, b"x")
        else:
            call.reset()

    registry.on(WHEEL, closes_when_reused)
    assert sidecar.get(WHEEL).status == 200
    registry.on(WHEEL, lambda call: call.reset() if call.request.connection == 1 else call.reply(200, b"y"))
    assert sidecar.get(WHEEL).body == b"y"
    assert registry.connections == 2


def test_connections_are_reused_on_both_sides(registry: Registry, sidecar: Sidecar) -> None:
    registry.page("/simple/foo/", b"<a>")
    registry.on(WHEEL, lambda call: call.reply(200, b"x" * 100_000))
    registry.on("/files/none-1.0.tar.gz", lambda call: call.reply(404, b"no"))
    registry.on("/files/moved-1.0.tar.gz", lambda call: call.reply(302, b"there", {"Location": WHEEL}))
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    connection.connect()
    sock = connection.sock
    for path, status in [
        ("/simple/foo/", 200),
        (WHEEL, 200),
        ("/files/none-1.0.tar.gz", 404),
        ("/files/moved-1.0.tar.gz", 200),
        ("/nothing", 404),
        ("/simple/foo/", 200),
    ]:
        for method in ("GET", "HEAD"):
            assert ask(connection, method, path).status == status
    assert connection.sock is sock
    connection.close()
    assert registry.connections == 1


def test_a_response_that_says_close_ends_its_connection(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x", {"Connection": "close"}, keeps=False))
    for _ in range(3):
        assert sidecar.get(WHEEL).status == 200
    assert registry.connections == 3


def test_an_idle_sidecar_keeps_no_threads(registry: Registry, sidecar: Sidecar) -> None:
    """Waiting connections rest without one."""
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(sidecar.connect())
        assert sidecar.get(WHEEL).status == 200
        assert processes.threads(sidecar.process.pid) < 6


def test_a_get_is_sent_again_where_the_idle_connection_ends_under_it_in_any_way(
    registry: Registry, sidecar: Sidecar
) -> None:
    """The registry takes the request and closes: cleanly, by a reset, or without TLS's close_notify."""
    for end in (lambda call: None, Call.reset, Call.cut):
        registry.on(WHEEL, lambda call: call.reply(200, b"first"))
        assert sidecar.get(WHEEL).body == b"first"
        last = registry.connections

        def ends(call: Call, end: Callable[[Call], None] = end, last: int = last) -> None:
            if call.request.connection > last:
                call.reply(200, b"again")
            else:
                end(call)

        registry.on(WHEEL, ends)
        for method in ("GET", "HEAD"):
            reply = sidecar.ask(method, WHEEL)
            assert (reply.status, reply.body) == (200, b"again" if method == "GET" else b"")


def test_an_upload_never_takes_an_idle_connection(registry: Registry, sidecar: Sidecar) -> None:
    """It could not be sent again if that had ended."""
    registry.on("*", lambda call: call.reply(200, b"x"))
    for _ in range(3):
        assert sidecar.get(WHEEL).status == 200
        assert sidecar.upload(b"hello").status == 200
    uploads = [one.connection for one in registry.seen("/upload/")]
    downloads = {one.connection for one in registry.seen(WHEEL)}
    assert len(set(uploads)) == 3
    assert not downloads & set(uploads)


def test_what_a_registry_says_unasked_on_an_idle_connection_answers_nothing(
    registry: Registry, sidecar: Sidecar
) -> None:
    """HTTP 408, or an answer that was put there for the next request."""
    said = threading.Event()

    def poisons(call: Call) -> None:
        call.reply(200, b"mine")
        if call.request.connection == 1:
            sidecar.wait_line(message="request", status=200)
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            said.set()

    registry.on(WHEEL, poisons)
    assert sidecar.get(WHEEL).body == b"mine"
    assert said.wait(PATIENCE_SECONDS)
    for _ in range(3):
        assert sidecar.get(WHEEL).body == b"mine"
