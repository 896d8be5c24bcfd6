"""Answers before the end of an upload reach the client, and interim answers end nothing."""

from pathlib import Path

import pytest

from support.certificates.authority import ca, server_context
from support.servers.registry import Call, Registry
from support.sidecars.forms import AROUND, BEGIN, BEGUN, END, UPLOAD
from support.sidecars.running import Sidecar, grant, receive_all, running_sidecar

MIB = 1 << 20


def stored(call: Call) -> None:
    call.reply(200, b"stored")


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
        sock.sendall(UPLOAD + b"Content-Length: %d\r\n\r\n" % (50 * MIB + AROUND) + BEGIN)
        for _ in range(50):
            sock.sendall(b"x" * MIB)
        sock.sendall(END)
        raw = receive_all(sock)
    assert raw.startswith(b"HTTP/1.1 %d " % status)
    assert raw.endswith(b"too much")


@pytest.mark.parametrize("is_tls", [True, False], ids=["https", "http"])
def test_a_registry_that_answers_and_resets_is_heard_all_the_same(tmp_path: Path, is_tls: bool) -> None:
    """Linux still gives what arrived before a reset; a write that failed must not hide it."""

    def refuses(call: Call) -> None:
        call.read_some()
        call.start(413, {"Content-Length": "8", "Connection": "close"})
        call.send(b"too much")  # and closes with unread bytes: a reset

    with (
        Registry(server_context() if is_tls else None) as registry,
        running_sidecar(tmp_path, grant(registry, ca=ca() if is_tls else None)) as sidecar,
    ):
        registry.on("/upload/", refuses)
        for _ in range(20):
            with sidecar.connect() as sock:
                sock.sendall(UPLOAD + b"Content-Length: %d\r\n\r\n" % (5 * MIB + AROUND) + BEGIN)
                for _ in range(5):
                    sock.sendall(b"x" * MIB)
                sock.sendall(END)
                raw = receive_all(sock)
            assert raw.startswith(b"HTTP/1.1 413 ")
            assert raw.endswith(b"too much")


def test_an_early_refusal_of_ours_reaches_a_client_that_is_still_sending(
    registry: Registry, tmp_path: Path
) -> None:
    with running_sidecar(tmp_path, grant(registry, upload_url=None)) as sidecar, sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Content-Length: %d\r\n\r\n" % (20 * MIB))
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
    assert sidecar.upload(b"x" * (20 * MIB)).body == b"stored"


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
def test_an_early_answer_reaches_a_client_whose_upload_pauses(
    registry: Registry, sidecar: Sidecar, framing: bytes
) -> None:
    """It may wait for the answer before it goes on."""

    def refuses(call: Call) -> None:
        call.read_some()
        call.start(413, {"Content-Length": "8", "Connection": "close"})
        call.send(b"too much")
        call.wait_gone()

    registry.on("/upload/", refuses)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + framing + b"\r\n\r\n" + (BEGUN if b"chunked" in framing else BEGIN))
        assert sock.recv(12) == b"HTTP/1.1 413"


def test_an_interim_answer_in_two_pieces_does_not_stop_an_upload(
    registry: Registry, sidecar: Sidecar
) -> None:
    """A regression: half a head was taken for an answer, and both sides waited."""

    def encourages(call: Call) -> None:
        call.read_some()
        call.send(b"HTTP/1.1 102 Proc")
        call.read_body()
        call.send(b"essing\r\n\r\n")
        call.reply(200, b"stored")

    registry.on("/upload/", encourages)
    assert sidecar.upload(b"x" * (20 * MIB)).body == b"stored"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 8\nConnection: close\n",
        b"Content-Length: 8\r\nContent-Length: 8\r\n",
        b"no colon\r\n",
    ],
    ids=["line feeds", "two lengths", "no colon"],
)
def test_an_odd_early_answer_does_too(registry: Registry, sidecar: Sidecar, fields: bytes) -> None:
    end = b"\n" if b"\r" not in fields else b"\r\n"

    def refuses(call: Call) -> None:
        call.read_some()
        call.send(b"HTTP/1.1 413 Too Much" + end + fields + end + b"too much")
        if b"Length" in fields:
            call.wait_gone()

    registry.on("/upload/", refuses)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Content-Length: 1000000000\r\n\r\n" + BEGIN)
        assert sock.recv(12) == b"HTTP/1.1 413"
