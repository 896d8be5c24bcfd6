"""Uploads: streamed, in constant memory, answered however early the registry answers, never sent twice."""

import hashlib
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry import PATIENCE_SECONDS, Call, Registry
from sidecars import Sidecar, grant, receive_all, running_sidecar

MIB = 1 << 20


def stored(call: Call) -> None:
    call.reply(200, b"stored")


@pytest.mark.parametrize("target", ["/", "/legacy", "/legacy/"])
def test_an_upload_arrives_as_it_is(registry: Registry, sidecar: Sidecar, target: str) -> None:
    registry.on("/upload/", stored)
    body = bytes(range(256)) * 100
    kind = "multipart/form-data; boundary=x"
    reply = sidecar.ask("POST", target, {"Content-Type": kind, "User-Agent": "twine/6"}, body)
    assert (reply.status, reply.body) == (200, b"stored")
    (request,) = registry.requests
    assert (request.method, bytes(request.body)) == ("POST", body)
    assert request.header("content-length") == str(len(body))
    assert request.header("content-type") == kind
    assert request.header("user-agent") == "twine/6"


def test_an_upload_of_unknown_length_is_chunked_all_the_way(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", stored)
    pieces = [b"a" * 10, b"b" * 200_000, b"c"]
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=10)
    connection.request("POST", "/", iter(pieces), encode_chunked=True)
    assert connection.getresponse().read() == b"stored"
    connection.close()
    (request,) = registry.requests
    assert request.body_size == sum(map(len, pieces))
    assert request.header("transfer-encoding") == "chunked"
    assert request.header("content-length") is None


def test_a_request_hidden_behind_a_chunked_upload_does_not_become_part_of_it(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("/upload/", stored)
    hidden = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\npoison"
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    sidecar.exchange(head + b"5\r\nhello\r\n0\r\n\r\n" + hidden)
    assert b"poison" not in b"".join(bytes(one.body) for one in registry.requests)


def test_an_empty_upload_is_passed_on(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(400, b"no file"))
    assert sidecar.ask("POST", "/", body=b"").body == b"no file"


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


@pytest.mark.parametrize("status", [400, 403, 413])
def test_an_early_answer_reaches_a_client_that_is_still_sending(
    registry: Registry, sidecar: Sidecar, status: int
) -> None:
    """twine and uv read the answer only after they have sent everything."""

    def refuses(call: Call) -> None:
        call.read_some()
        call.start(status, {"Content-Length": "8", "Connection": "close"})
        call.send(b"too much")
        call.wait_gone()

    registry.on("/upload/", refuses)
    with sidecar.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (50 * MIB))
        for _ in range(50):
            sock.sendall(b"x" * MIB)
        raw = receive_all(sock)
    assert raw.startswith(b"HTTP/1.1 %d " % status)
    assert raw.endswith(b"too much")


def test_a_registry_that_answers_and_resets_is_heard_all_the_same(
    registry: Registry, sidecar: Sidecar
) -> None:
    def refuses(call: Call) -> None:
        call.read_some()
        call.start(413, {"Content-Length": "8", "Connection": "close"})
        call.send(b"too much")  # and closes with unread octets: a reset

    registry.on("/upload/", refuses)
    with sidecar.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (5 * MIB))
        for _ in range(5):
            sock.sendall(b"x" * MIB)
        raw = receive_all(sock)
    assert raw[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 502")


def test_an_early_refusal_of_ours_reaches_a_client_that_is_still_sending(
    registry: Registry, tmp_path: Path
) -> None:
    with running_sidecar(tmp_path, grant(registry, upload_url=None)) as sidecar, sidecar.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (20 * MIB))
        for _ in range(20):
            sock.sendall(b"x" * MIB)
        assert receive_all(sock).startswith(b"HTTP/1.1 403 this Pod may not upload")
    assert registry.connections == 0


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing\r\nX: y"])
def test_an_interim_answer_does_not_end_an_upload(
    registry: Registry, sidecar: Sidecar, status: bytes
) -> None:
    def encourages(call: Call) -> None:
        call.read_some()
        call.send(b"HTTP/1.1 %b\r\n\r\n" % status * 2)
        call.reply(200, b"stored")

    registry.on("/upload/", encourages)
    assert sidecar.ask("POST", "/", body=b"x" * (20 * MIB)).body == b"stored"


def test_a_client_that_expects_100_is_told_to_go_on(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", stored)
    with sidecar.connect() as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert receive_all(sock).endswith(b"stored")
    assert registry.requests[0].header("expect") is None


def test_a_client_that_expects_100_is_refused_before_it_sends(registry: Registry, tmp_path: Path) -> None:
    with running_sidecar(tmp_path, grant(registry, upload_url=None)) as sidecar, sidecar.connect() as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert receive_all(sock).startswith(b"HTTP/1.1 403 ")


def test_a_client_of_http_1_0_gets_no_interim_answer(registry: Registry, sidecar: Sidecar) -> None:
    """RFC 9110 §10.1.1: it would take it for the final one."""
    registry.on("/upload/", stored)
    raw = sidecar.exchange(
        b"POST / HTTP/1.0\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    )
    assert raw.startswith(b"HTTP/1.1 200 ")


def test_a_malformed_chunk_is_refused_and_never_looks_complete_to_the_registry(
    registry: Registry, sidecar: Sidecar
) -> None:
    finished = threading.Event()

    def script(call: Call) -> None:
        call.read_body()
        finished.set()

    registry.on("/upload/", script)
    raw = sidecar.exchange(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXX\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert not finished.is_set()


def test_an_upload_is_never_sent_twice(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: (call.read_body(), call.cut()))  # type: ignore[arg-type,return-value]
    reply = sidecar.ask("POST", "/", body=b"hello")
    assert reply.status == 502
    assert len(registry.requests) == 1


def test_the_registrys_word_about_an_upload_reaches_the_client(registry: Registry, sidecar: Sidecar) -> None:
    for status in (200, 201, 400, 409, 500):
        registry.on("/upload/", lambda call, status=status: call.reply(status, b"why"))
        reply = sidecar.ask("POST", "/", body=b"hello")
        assert (reply.status, reply.body) == (status, b"why")
    registry.on("/upload/", lambda call: call.reply(403, b"this version exists"))
    assert sidecar.ask("POST", "/", body=b"hello").body == b"this version exists"
