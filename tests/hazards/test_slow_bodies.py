"""Slow bodies both ways: in constant memory, byte for byte, and at nobody else's expense."""

import hashlib
import http.client
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine.processes import forget_peak, peak_kib, resident_kib
from support.servers.registry import PATIENCE_SECONDS, Call, Registry, Script
from support.sidecars.forms import AROUND, BEGIN, END, TYPE, UPLOAD, chunk, form
from support.sidecars.running import Sidecar, grant, receive_all, running_sidecar

MIB = 1 << 20
WHEEL = "/files/foo-1.0-py3-none-any.whl"


def stored(call: Call) -> None:
    call.reply(200, b"stored")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_memory_stays_flat_however_long_an_upload_is(
    registry: Registry, sidecar: Sidecar, is_chunked: bool
) -> None:
    registry.on("/upload/", stored)
    sidecar.upload(b"x" * MIB)
    before = peak_kib(sidecar.process.pid)
    piece = b"x" * MIB
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=60)

    def pieces() -> Iterator[bytes]:
        yield BEGIN
        for _ in range(300):
            yield piece
        yield END

    headers = {"Content-Type": TYPE} | ({} if is_chunked else {"Content-Length": str(300 * MIB + AROUND)})
    connection.request("POST", "/", pieces(), headers, encode_chunked=is_chunked)
    assert connection.getresponse().status == 200
    connection.close()
    assert registry.requests[-1].body_size == 300 * MIB + AROUND
    assert peak_kib(sidecar.process.pid) - before < 2 * 1024


def test_a_download_does_not_gather_in_memory_either(registry: Registry, sidecar: Sidecar) -> None:
    """The same detector, seen to rise: what a client does not read must wait at the registry."""

    def pours(call: Call) -> None:
        call.start(200, {"Content-Length": str(200 * MIB)})
        for _ in range(200):
            call.send(b"x" * MIB)

    registry.on("/f/foo-1.0.tar.gz", pours)
    before = peak_kib(sidecar.process.pid)
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=60)
    connection.request("GET", "/f/foo-1.0.tar.gz")
    digest = hashlib.sha256(connection.getresponse().read())
    connection.close()
    assert digest.digest_size
    assert peak_kib(sidecar.process.pid) - before < 3 * 1024


def test_a_client_that_reads_nothing_does_not_fill_the_memory(registry: Registry, sidecar: Sidecar) -> None:
    """What it does not take stays with the registry."""
    sent = 0

    def pours(call: Call) -> None:
        nonlocal sent
        call.start(200, {"Content-Length": str(1 << 40)})
        while True:
            call.send(b"x" * (1 << 16))
            sent += 1 << 16

    registry.on("/f/small-1.0.zip", lambda call: call.reply(200, b"x" * MIB))
    assert sidecar.get("/f/small-1.0.zip").status == 200
    before_kib = resident_kib(sidecar.process.pid)
    forget_peak(sidecar.process.pid)
    registry.on(WHEEL, pours)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(WHEEL)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            assert not registry.gone.wait(0.3)
    assert peak_kib(sidecar.process.pid) - before_kib < 2 * 1024
    assert sent < 64 << 20


def body_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class SlowReader:
    """A client with the smallest of buffers, that takes a little at a time."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(("127.0.0.1", sidecar.port))

    def ask(self, path: str, piece: int) -> bytes:
        """The decoded body of a GET; in sips of `piece` bytes at most."""
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        response = http.client.HTTPResponse(self.sock)
        response.begin()
        found = b""
        while sip := response.read(piece):
            found += sip
        return found


LINES = b"".join(b"<a href='/files/foo-%d.zip'>foo</a>\n" % number for number in range(20_000))


def as_chunks(body: bytes, piece: int) -> Script:
    def script(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
        for at in range(0, len(body), piece):
            call.send_chunk(body[at : at + piece])
        call.send(b"0\r\n\r\n")
        call.keeps = True

    return script


@pytest.mark.parametrize(
    ("path", "script", "body"),
    [
        (WHEEL, lambda call: call.reply(200, body_of(3 * MIB)), body_of(3 * MIB)),
        (WHEEL, as_chunks(body_of(MIB), 300_000), body_of(MIB)),
        ("/simple/foo/", as_chunks(LINES, 77_777), LINES),
        ("/simple/foo/", lambda call: call.reply(200, LINES, {"Content-Type": "text/html"}), LINES),
    ],
    ids=["a file", "a file in chunks", "a page in chunks", "a page"],
)
def test_a_client_that_sips_gets_every_byte_of_a_registry_that_pours(
    registry: Registry, sidecar: Sidecar, path: str, script: Script, body: bytes
) -> None:
    """Each write is taken in part only: the rest must follow, once."""
    registry.on(path, script)
    reader = SlowReader(sidecar)
    with reader.sock:
        for _ in range(2):
            assert reader.ask(path, 3333) == body


@pytest.mark.parametrize("is_chunked", [False, True], ids=["fixed", "chunked"])
def test_a_registry_that_sips_gets_every_byte_of_a_client_that_pours(
    tmp_path: Path, is_chunked: bool
) -> None:
    """Plain http and the smallest of buffers: the proxy's writes are taken in part only."""
    body = form(body_of(8 * MIB))

    def sips(call: Call) -> None:
        call._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        call.read_body()
        call.reply(200, b"stored")

    with Registry() as registry, running_sidecar(tmp_path, grant(registry, ca=None)) as sidecar:
        registry.on("/upload/", sips)
        connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
        pieces = [body[at : at + 99_999] for at in range(0, len(body), 99_999)]
        headers = {"Content-Type": TYPE} | ({} if is_chunked else {"Content-Length": str(len(body))})
        connection.request("POST", "/", iter(pieces), headers, encode_chunked=is_chunked)
        assert connection.getresponse().read() == b"stored"
        connection.close()
        (request,) = registry.requests
    assert (request.body_size, request.body_crc) == (len(body), zlib.crc32(body))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["fixed", "chunked"])
def test_an_upload_in_single_bytes_arrives(registry: Registry, sidecar: Sidecar, is_chunked: bool) -> None:
    registry.on("/upload/", stored)
    body = form(body_of(500))
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(body)
    sent = chunk(body) + b"0\r\n\r\n" if is_chunked else body
    with sidecar.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(UPLOAD + b"Connection: close\r\n" + framing + b"\r\n\r\n")
        for octet in sent:
            sock.sendall(bytes([octet]))
        assert receive_all(sock).startswith(b"HTTP/1.1 200 ")
    assert bytes(registry.requests[0].body) == body


@pytest.mark.parametrize("is_chunked", [False, True], ids=["fixed", "chunked"])
def test_what_has_come_is_passed_on_before_more_comes(
    registry: Registry, sidecar: Sidecar, is_chunked: bool
) -> None:
    """Nothing is held back until a buffer is full: the other side may need it to go on."""
    seen = threading.Semaphore(0)

    def step_by_step(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": "10"})
        for _ in range(10):
            call.send_chunk(b"x") if is_chunked else call.send(b"x")
            assert seen.acquire(timeout=PATIENCE_SECONDS)
        if is_chunked:
            call.send(b"0\r\n\r\n")

    registry.on(WHEEL, step_by_step)
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", WHEEL)
    response = connection.getresponse()
    for _ in range(10):
        assert response.read(1) == b"x"
        seen.release()
    assert response.read() == b""
    connection.close()


def test_an_upload_reaches_the_registry_before_the_client_has_sent_the_rest(
    registry: Registry, sidecar: Sidecar
) -> None:
    seen = threading.Semaphore(0)

    def step_by_step(call: Call) -> None:
        for _ in range(11):
            call.read_some()
            seen.release()
        call.reply(200, b"stored")

    registry.on("/upload/", step_by_step)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (10 + AROUND))
        for piece in (BEGIN, *[b"x"] * 10):
            sock.sendall(piece)
            assert seen.acquire(timeout=PATIENCE_SECONDS)
        sock.sendall(END)
        assert receive_all(sock).endswith(b"stored")
