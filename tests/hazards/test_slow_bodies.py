"""Slow bodies both ways: in constant memory, octet for octet, and at nobody else's expense."""

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry import Call, Registry
from sidecars import Sidecar

MIB = 1 << 20
WHEEL = "/files/foo-1.0-py3-none-any.whl"


def stored(call: Call) -> None:
    call.reply(200, b"stored")


def peak_kib(sidecar: Sidecar) -> int:
    status = Path(f"/proc/{sidecar.process.pid}/status").read_text()
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return peak


@pytest.mark.parametrize("is_chunked", [False, True])
def test_memory_stays_flat_however_long_an_upload_is(
    registry: Registry, sidecar: Sidecar, is_chunked: bool
) -> None:
    registry.on("/upload/", stored)
    sidecar.ask("POST", "/", body=b"x" * MIB)
    before = peak_kib(sidecar)
    piece = b"x" * MIB
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=60)

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield piece

    headers = {} if is_chunked else {"Content-Length": str(300 * MIB)}
    connection.request("POST", "/", pieces(), headers, encode_chunked=is_chunked)
    assert connection.getresponse().status == 200
    connection.close()
    assert registry.requests[-1].body_size == 300 * MIB
    assert peak_kib(sidecar) - before < 2 * 1024


def test_a_download_does_not_gather_in_memory_either(registry: Registry, sidecar: Sidecar) -> None:
    """The same detector, seen to rise: what a client does not read must wait at the registry."""

    def pours(call: Call) -> None:
        call.start(200, {"Content-Length": str(200 * MIB)})
        for _ in range(200):
            call.send(b"x" * MIB)

    registry.on("/f/foo-1.0.tar.gz", pours)
    before = peak_kib(sidecar)
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=60)
    connection.request("GET", "/f/foo-1.0.tar.gz")
    digest = hashlib.sha256(connection.getresponse().read())
    connection.close()
    assert digest.digest_size
    assert peak_kib(sidecar) - before < 3 * 1024


def test_a_client_that_reads_nothing_does_not_fill_the_memory(registry: Registry, sidecar: Sidecar) -> None:
    """What it does not take stays with the registry."""
    sent = 0

    def pours(call: Call) -> None:
        nonlocal sent
        call.start(200, {"Content-Length": str(1 << 40)})
        while True:
            call.send(b"x" * (1 << 16))
            sent += 1 << 16

    registry.on(WHEEL, pours)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(WHEEL)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            assert not registry.gone.wait(0.3)
        status = Path(f"/proc/{sidecar.process.pid}/status").read_text()
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    assert peak < 40_000
    assert sent < 64 << 20
