"""A body that is too short never looks complete to the client, and surplus bytes join no other answer."""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry, gzipped
from support.sidecars.forms import BEGIN, BEGUN, FORM, LENGTH, UPLOAD
from support.sidecars.running import Sidecar, grant, receive_all, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
HTML = {"Content-Type": "text/html"}
PART = b"<a href='x'>" * 5000


def fixed(call: Call) -> None:
    call.start(200, {"Content-Length": str(len(PART) + 1), **HTML})
    call.send(PART)


def chunked(call: Call) -> None:
    call.start(200, {"Transfer-Encoding": "chunked", **HTML})
    call.send_chunk(PART)


def inside_a_chunk(call: Call) -> None:
    call.start(200, {"Transfer-Encoding": "chunked", **HTML})
    call.send(b"%x\r\n" % (len(PART) + 1) + PART)


def until_close(call: Call) -> None:
    call.start(200, HTML)
    call.send(PART)


def packed(call: Call) -> None:
    data = gzipped(PART)[:-9]
    call.start(200, {"Content-Length": str(len(data)), "Content-Encoding": "gzip", **HTML})
    call.send(data)


def looks_complete(sidecar: Sidecar, path: str, version: str) -> bool:
    """Whether a client that goes by RFC 9112 §8 takes what it gets for a whole 200."""
    with sidecar.connect() as sock:
        sock.sendall(f"GET {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n\r\n".encode())
        try:
            response = http.client.HTTPResponse(sock)
            response.begin()
            body = response.read()
            if response.status == 200 and response.length is None and not response.chunked:
                body += receive_all(sock)  # a reset shows here
        except (OSError, http.client.HTTPException):
            return False
    assert response.status == 502 or body
    return response.status == 200


ENDS: dict[str, Callable[[Call], None]] = {
    "close": lambda call: None,
    "cut": Call.cut,
    "reset": Call.reset,
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("path", [WHEEL, PAGE])
@pytest.mark.parametrize("script", [fixed, chunked, inside_a_chunk], ids=lambda one: one.__name__)
def test_a_body_that_ends_early_is_seen_to(
    registry: Registry, sidecar: Sidecar, script: Callable[[Call], None], path: str, version: str
) -> None:
    for end in ENDS.values():

        def breaks(call: Call, end: Callable[[Call], None] = end) -> None:
            script(call)
            end(call)

        registry.on(path, breaks)
        assert not looks_complete(sidecar, path, version)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("path", [WHEEL, PAGE])
def test_a_body_that_only_the_end_of_tls_ends_must_end_properly(
    registry: Registry, sidecar: Sidecar, path: str, version: str
) -> None:
    registry.on(path, until_close)  # with close_notify
    assert looks_complete(sidecar, path, version)

    def cut(call: Call) -> None:
        until_close(call)
        call.cut()

    for _ in range(5):  # data and end may arrive together or not
        registry.on(path, cut)
        assert not looks_complete(sidecar, path, version)


def test_a_tls_stream_that_is_cut_right_after_its_data_is_not_complete(
    registry: Registry, sidecar: Sidecar
) -> None:
    """Data and the bare end of the connection in one packet: the end must not pass for a proper one."""

    def together(call: Call) -> None:
        sock = call._sock
        assert isinstance(sock, ssl.SSLSocket)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        call.start(200, HTML)
        call.send(b"x" * 500)
        sock.shutdown(socket.SHUT_WR)

    registry.on(WHEEL, together)
    for _ in range(20):
        assert not looks_complete(sidecar, WHEEL, "1.1")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_page_whose_gzip_ends_early_is_not_complete(
    registry: Registry, sidecar: Sidecar, version: str
) -> None:
    registry.on(PAGE, packed)
    assert not looks_complete(sidecar, PAGE, version)


def test_what_is_whole_looks_complete(registry: Registry, sidecar: Sidecar) -> None:
    """The detector of this file can say yes."""
    registry.on("*", lambda call: call.reply(200, PART, HTML))
    for path in (WHEEL, PAGE):
        for version in ("1.1", "1.0"):
            assert looks_complete(sidecar, path, version)


@pytest.mark.parametrize("reads", [True, False], ids=["it reads", "it does not"])
def test_a_client_that_is_behind_gets_all_that_came_before_the_break(
    registry: Registry, sidecar: Sidecar, reads: bool
) -> None:
    """pip goes on where it was: else it never comes to the end of a file that always breaks off there."""
    part = bytes(1_000_000)

    def breaks(call: Call) -> None:
        call.start(200, {"Content-Length": str(len(part) + 1)})
        call.send(part)
        call._sock.shutdown(socket.SHUT_WR)
        call.wait_gone()

    registry.on(WHEEL, breaks)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # all but this is the proxy's to keep
        sock.connect(("127.0.0.1", sidecar.port))
        sock.sendall(GET)
        assert registry.gone.wait(PATIENCE_SECONDS)
        if not reads:
            line = sidecar.wait_line(message="request", reason="registry-broke-off")
            assert line["ms"] < 2000  # who does not read holds no place for long
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                got += piece
    assert got.endswith(b"\r\n\r\n" + part) == reads


def test_a_registry_that_breaks_off_before_its_head_is_502_with_a_sentence(
    registry: Registry, sidecar: Sidecar
) -> None:
    for script in (Call.cut, Call.reset, lambda call: call.send(b"HTTP/1.1 200 OK\r\nX: y")):
        registry.on(WHEEL, script)
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "the registry broke off" in reply.reason


@pytest.mark.parametrize(
    "head",
    [
        b"<html>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\rX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 140_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_502_with_a_sentence(
    registry: Registry, sidecar: Sidecar, head: bytes
) -> None:
    registry.on(WHEEL, lambda call: call.send(head))
    reply = sidecar.get(WHEEL)
    assert reply.status == 502
    assert "is no HTTP" in reply.reason


def test_a_page_that_is_broken_from_its_first_byte_is_502_with_a_sentence(
    registry: Registry, sidecar: Sidecar
) -> None:
    headers = {"Content-Encoding": "gzip", **HTML}
    registry.on(PAGE, lambda call: call.reply(200, b"no gzip at all", headers))
    reply = sidecar.get(PAGE)
    assert reply.status == 502
    assert "no valid gzip" in reply.reason
    registry.on(PAGE, lambda call: call.reply(200, b"x", {**headers, "Content-Encoding": "br"}))
    assert "coding that was not asked for" in sidecar.get(PAGE).reason


def test_over_plain_http_an_early_end_of_a_fixed_body_is_seen_to(tmp_path: Path) -> None:
    with Registry() as plain:
        plain.on(WHEEL, fixed)
        with running_sidecar(tmp_path, grant(plain, ca=None)) as sidecar:
            assert not looks_complete(sidecar, WHEEL, "1.1")


GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_bytes_beyond_a_response_never_become_part_of_the_next(registry: Registry, sidecar: Sidecar) -> None:
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
        raw = sidecar.exchange(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert b"poison" not in raw
        registry.on(WHEEL, lambda call: call.reply(200, b"clean"))
        assert sidecar.get(WHEEL).body == b"clean"


def test_bytes_beyond_an_upload_are_no_part_of_it(registry: Registry, sidecar: Sidecar) -> None:
    """They are the next request, or none."""
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    for beyond in (b"more", b"\r\n0\r\n\r\n", b"\0" * 100):
        head = UPLOAD + LENGTH + b"\r\n"
        with sidecar.connect() as sock:
            sock.sendall(head + FORM + beyond)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                receive_all(sock)
        assert bytes(registry.wait_for("/upload/")[-1].body) in (b"", FORM)
        sidecar.wait_line(message="request", action="upload")
        sidecar.lines.clear()
    assert {one.header("content-length") for one in registry.requests} == {str(len(FORM))}


@pytest.mark.parametrize("sent", [b"", BEGIN, BEGUN[:-4], BEGUN, BEGUN + b"0\r\n"])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_an_upload_that_ends_early_never_looks_complete_to_the_registry(
    registry: Registry, sidecar: Sidecar, framing: bytes, sent: bytes
) -> None:
    complete: list[bool] = []

    def stores(call: Call) -> None:
        with contextlib.suppress(ConnectionError):
            call.read_body()
            complete.append(True)
            call.reply(200, b"stored")

    registry.on("/upload/", stores)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + framing + b"\r\n\r\n" + sent)
        registry.wait_for("/upload/")
    sidecar.wait_line(message="request", action="upload")
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert complete == []
