"""TLS towards the registry: records cut in any place, both versions, and messages besides the data."""

import random
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.authority import issue_leaf
from support.certificates.authority import authority, server_context
from support.machine.ports import free_port
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.servers.relays import Relay, in_octets, whole
from support.sidecars.forms import form
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
BODY = random.Random(1).randbytes(5000)
LINKS = b"<a href='foo-1.0.zip'>foo</a>\n" * 200
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context.__wrapped__()
    context.minimum_version = context.maximum_version = version
    return context


def in_random_pieces(data: bytes) -> Iterable[bytes]:
    chance, at = random.Random(len(data)), 0
    while at < len(data):
        size = chance.choice((1, 2, 3, 5, 100, 1000, 5000))
        yield data[at : at + size]
        at += size


@contextmanager
def behind(relay: Relay, registry: Registry, folder: Path) -> Iterator[Sidecar]:
    origin = f"https://127.0.0.1:{relay.port}"
    document = grant(registry, index_url=f"{origin}/simple/", upload_url=f"{origin}/upload/")
    with running_sidecar(folder, document) as sidecar:
        yield sidecar


def serve(registry: Registry) -> None:
    def chunked(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"})
        for at in range(0, len(BODY), 700):
            call.send_chunk(BODY[at : at + 700])
        call.send(b"0\r\n\r\n")
        call.keeps = True

    registry.on(WHEEL, lambda call: call.reply(200, BODY))
    registry.on(WHEEL + ".metadata", chunked)
    registry.page(PAGE, LINKS)
    registry.on("/upload/", lambda call: (call.read_body(), call.reply(200, bytes(call.request.body)))[-1])


@pytest.mark.parametrize("cut", [in_octets, in_random_pieces], ids=lambda one: one.__name__)
@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
def test_records_cut_in_any_place_are_read_as_they_were_sent(
    tmp_path: Path, version: ssl.TLSVersion, cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    """Readable is not enough: part of a record yields no data, and one segment may hold several records."""
    with (
        Registry(only(version)) as registry,
        Relay(registry.port, cut) as relay,
        behind(relay, registry, tmp_path) as sidecar,
    ):
        serve(registry)
        for _ in range(2):
            assert sidecar.get(WHEEL).body == BODY
            assert sidecar.get(WHEEL + ".metadata").body == BODY
            assert sidecar.get(PAGE).body == LINKS
            assert sidecar.upload(BODY).body == form(BODY)


def test_session_tickets_that_arrive_late_are_neither_data_nor_an_end(tmp_path: Path) -> None:
    """TLS 1.3 sends them after the handshake: held back here until the connection is at work, or idle."""
    with (
        Registry(only(ssl.TLSVersion.TLSv1_3)) as registry,
        Relay(registry.port) as relay,
        behind(relay, registry, tmp_path) as sidecar,
        sidecar.connect() as sock,
    ):
        serve(registry)
        released = threading.Event()

        def waits(call: Call) -> None:
            relay.flows.clear()
            released.set()
            call.reply(200, BODY)

        registry.on(WHEEL, waits)
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert released.wait(PATIENCE_SECONDS)
        relay.flows.set()
        assert sock.recv(12) == b"HTTP/1.1 200"
        registry.on(WHEEL, lambda call: call.reply(200, BODY))
        for _ in range(3):
            assert sidecar.get(WHEEL).body == BODY


def test_what_lies_decrypted_beyond_a_read_is_not_waited_for(tmp_path: Path) -> None:
    """One record of 16 KiB is one readable socket; what the first read left stands in the TLS layer only."""
    body = random.Random(2).randbytes(16 * 1024 * 8)

    def in_whole_records(call: Call) -> None:
        call.start(200, {"Content-Length": str(len(body))})
        call.send(body)
        call.keeps = True

    with (
        Registry(server_context()) as registry,
        Relay(registry.port, whole) as relay,
        behind(relay, registry, tmp_path) as sidecar,
    ):
        registry.on(WHEEL, in_whole_records)
        for _ in range(5):
            assert sidecar.get(WHEEL).body == body


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
def test_a_framed_body_needs_no_close_notify(tmp_path: Path, version: ssl.TLSVersion) -> None:
    def cuts(call: Call) -> None:
        call.reply(200, BODY, {"Connection": "close"}, keeps=False)
        call.cut()

    with Registry(only(version)) as registry, running_sidecar(tmp_path, grant(registry)) as sidecar:
        registry.on(WHEEL, cuts)
        for _ in range(5):
            assert sidecar.get(WHEEL).body == BODY


class OpensslServer:
    """`openssl s_server`, which does on a letter what Python's ssl cannot: see its CONNECTED COMMANDS."""

    def __init__(self, process: "subprocess.Popen[bytes]", origin: str) -> None:
        self._process = process
        self.origin = origin

    def wait_for(self, text: bytes) -> None:
        assert self._process.stdout
        found = b""
        while text not in found:
            assert select.select([self._process.stdout], [], [], PATIENCE_SECONDS)[0], found
            piece = self._process.stdout.read(65536)
            assert piece, found
            found += piece

    def type(self, text: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()


@contextmanager
def openssl_server(folder: Path, *options: str) -> Iterator[OpensslServer]:
    leaf = issue_leaf(authority("ours"), ("127.0.0.1",), datetime.now(UTC))
    (folder / "leaf.pem").write_text(leaf.certificate + leaf.key)
    port = free_port()
    command = ["stdbuf", "-o0", "openssl", "s_server", "-accept", f"127.0.0.1:{port}"]
    command += ["-cert", str(folder / "leaf.pem"), "-cert_chain", str(folder / "leaf.pem"), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        try:
            server = OpensslServer(process, f"https://127.0.0.1:{port}")
            server.wait_for(b"ACCEPT")
            yield server
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "letter"),
    [(["-tls1_3"], b"k"), (["-tls1_3"], b"K"), (["-tls1_2"], b"r")],
    ids=["key update", "key update of both", "renegotiation"],
)
def test_new_keys_in_the_middle_of_a_body_and_on_an_idle_connection(
    registry: Registry, tmp_path: Path, options: list[str], letter: bytes
) -> None:
    """What TLS does for itself makes the socket readable, or has it written to: no data, and no end."""
    with openssl_server(tmp_path, *options) as server:
        document = grant(registry, index_url=f"{server.origin}/simple/")
        with running_sidecar(tmp_path, document) as sidecar, sidecar.connect() as sock:
            for _ in range(2):
                sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                server.wait_for(b"via: 1.1 pypi-connector\r\n\r\n")
                server.type(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                receive_until(sock, b"hello")
                server.type(letter + b"\n")
                server.wait_for(b"SSL_do_handshake")
                server.type(b"world")
                assert receive_until(sock, b"world") == b"world"
                if letter != b"r":  # which waits for the other side; a key update does not
                    server.type(letter + b"\n")
                    server.wait_for(b"SSL_do_handshake")


def receive_until(sock: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        piece = sock.recv(65536)
        assert piece, found
        found += piece
    return found
