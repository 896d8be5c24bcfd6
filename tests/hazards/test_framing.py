"""Every answer of a registry reaches the client with an end that the client can see.

A response without any framing lasts until its connection closes (RFC 9112 §6.3): on a kept connection the
client would wait for ever.
"""

import http.client

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import FORM, TYPE
from support.sidecars.running import Sidecar, ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"


OURS = b"the registry answers %d\n"


@pytest.mark.parametrize(
    ("method", "target", "statuses"),
    [
        ("GET", WHEEL, (200, 201, 203, 204, 206, 299, 300, 304, 404, 500)),
        ("GET", PAGE, (200, 201, 203, 204, 206, 299, 300, 304, 404, 500)),
        ("HEAD", WHEEL, (200, 204, 206, 300, 304, 404, 500)),
        ("POST", "/", (200, 201, 202, 204, 206, 299, 400, 409, 500)),  # redirected uploads are refused
    ],
)
def test_an_empty_answer_is_seen_to_be_empty_and_the_connection_goes_on(
    registry: Registry, sidecar: Sidecar, method: str, target: str, statuses: tuple[int, ...]
) -> None:
    """Gitea says 201 to an upload, with Content-Length 0."""
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    for status in statuses:

        def empty(call: Call, status: int = status) -> None:
            call.read_body()
            call.start(status, {} if status in (204, 304) else {"Content-Length": "0"})
            call.keeps = True

        registry.on("*", empty)
        reply = ask(connection, method, target, {"Content-Type": TYPE}, FORM if method == "POST" else None)
        # the body of a GET that fails is ours
        is_ours = status >= 400 and method == "GET"
        assert (reply.status, reply.body) == (status, OURS % status if is_ours else b"")
    connection.close()


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, "5"), ("HEAD", 206, "5"), ("HEAD", 404, "25"), ("HEAD", 304, None), ("GET", 304, None)],
)
def test_a_body_that_is_announced_and_not_sent_is_not_waited_for(
    registry: Registry, sidecar: Sidecar, method: str, status: int, length: str | None
) -> None:
    """HEAD and 304 have none (RFC 9112 §6.3), whatever their Content-Length says."""

    def announces(call: Call) -> None:
        call.start(status, {"Content-Length": "5", "ETag": '"a"'})
        call.keeps = True

    registry.on(WHEEL, announces)
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    for _ in range(3):
        reply = ask(connection, method, WHEEL)
        assert (reply.status, reply.header("content-length")) == (status, length)
    connection.close()
    assert registry.connections == 1


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_passed_over(registry: Registry, sidecar: Sidecar, interim: bytes) -> None:
    def script(call: Call) -> None:
        call.send((b"HTTP/1.1 " + interim + b"\r\nLink: <x>\r\n\r\n") * 3)
        call.reply(200, b"final")

    registry.on("*", script)
    for path in (WHEEL, PAGE):
        reply = sidecar.get(path)
        assert (reply.status, reply.body, reply.header("link")) == (200, b"final", None)


def test_a_switch_of_protocols_that_nobody_asked_for_is_no_tunnel(
    registry: Registry, sidecar: Sidecar
) -> None:
    def script(call: Call) -> None:
        call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\ntunnel")
        call.wait_gone()

    registry.on(WHEEL, script)
    reply = sidecar.get(WHEEL, Upgrade="x", Connection="upgrade")
    assert reply.status == 502
    assert b"tunnel" not in reply.body


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
