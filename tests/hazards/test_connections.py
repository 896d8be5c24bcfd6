"""Connections are kept on both sides, refreshed without an error, bounded, and never mixed up."""

import contextlib
import http.client
import threading
import time
from contextlib import ExitStack

import pytest
from registry import Call, Registry
from sidecars import Sidecar, ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"
ACTIVE = 192
"""Written here once more: without a bound the descriptors would run out"""
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_connections_are_reused_on_both_sides(registry: Registry, sidecar: Sidecar) -> None:
    registry.page("/simple/foo/", b"<a>")
    registry.on(WHEEL, lambda call: call.reply(200, b"x" * 100_000))
    registry.on("/files/none-1.0.tar.gz", lambda call: call.reply(404, b"no"))
    registry.on("/files/moved-1.0.tar.gz", lambda call: call.reply(302, b"there", {"Location": WHEEL}))
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=10)
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


def test_a_response_that_says_close_ends_its_connection(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"x", {"Connection": "close"}, keeps=False))
    for _ in range(3):
        assert sidecar.get(WHEEL).status == 200
    assert registry.connections == 3


def test_octets_beyond_a_response_never_become_part_of_the_next(registry: Registry, sidecar: Sidecar) -> None:
    def too_much(call: Call) -> None:
        call.start(200, {"Content-Length": "1"})
        call.send(b"xHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        call.keeps = True

    def too_much_chunked(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"})
        call.send(b"1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        call.keeps = True

    for script in (too_much, too_much_chunked):
        registry.on(WHEEL, script)
        raw = b""
        with contextlib.suppress(ConnectionError):  # what cannot be read in one way only is broken off
            raw = sidecar.exchange(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert b"poison" not in raw
        registry.on(WHEEL, lambda call: call.reply(200, b"clean"))
        assert sidecar.get(WHEEL).body == b"clean"


def test_pipelined_requests_are_answered_in_their_order(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, call.request.target.encode()))
    names = [f"/files/foo-{number}.0.tar.gz" for number in range(10)]
    requests = "".join(f"GET {name} HTTP/1.1\r\nHost: localhost\r\n\r\n" for name in names)
    raw = sidecar.exchange(requests.replace("10.0", "10.0").encode()[:-2] + b"Connection: close\r\n\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2].decode() for part in raw.split(b"HTTP/1.1 200 ")[1:]]
    assert bodies == names


def test_a_request_behind_an_upload_is_answered_too(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    upload = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    raw = sidecar.exchange(upload + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.endswith(b"wheel")
    assert bytes(registry.seen("/upload/")[0].body) == b"hello"


def test_what_stands_in_the_body_of_a_refused_request_is_no_request(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"smuggled"))
    for method, target in (("POST", "/simple/"), ("GET", "/nothing"), ("PUT", "/x")):
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(GET)}\r\n\r\n"
        raw = sidecar.exchange(head.encode() + GET)
        assert raw.count(b"HTTP/1.1 ") == 1
    assert registry.requests == []


def test_http_1_0_gets_an_answer_it_can_read(registry: Registry, sidecar: Sidecar) -> None:
    def chunked(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
        call.send_chunk(b"<a>")
        call.send(b"0\r\n\r\n")

    registry.on(WHEEL, chunked)
    registry.page("/simple/foo/", b"<a>")
    for path in (WHEEL, "/simple/foo/"):
        raw = sidecar.exchange(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        head, _, body = raw.partition(b"\r\n\r\n")
        assert (head[:12], body) == (b"HTTP/1.1 200", b"<a>")
        assert b"chunked" not in head
        assert b"connection: close" in head


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


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
    ],
)
def test_a_malformed_head_gets_an_answer_and_a_log_line(sidecar: Sidecar, head: bytes, status: int) -> None:
    with sidecar.connect() as sock:
        sock.sendall(head)
        assert sock.recv(65536).startswith(b"HTTP/1.1 %d " % status)
    sidecar.wait_line(message="request", status=status)


def test_beyond_the_bound_a_503_says_so(registry: Registry, sidecar: Sidecar) -> None:
    release = threading.Event()

    def stall(call: Call) -> None:
        release.wait(10)
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


def test_an_idle_sidecar_keeps_no_threads(registry: Registry, sidecar: Sidecar) -> None:
    """Waiting connections rest without one."""
    registry.on(WHEEL, lambda call: call.reply(200, b"x"))
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(sidecar.connect())
        assert sidecar.get(WHEEL).status == 200
        with open(f"/proc/{sidecar.process.pid}/status") as status:  # noqa: PTH123
            (threads,) = [int(line.split()[1]) for line in status if line.startswith("Threads:")]
    assert threads < 6
