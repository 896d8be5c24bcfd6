"""`Expect: 100-continue` (RFC 9110 §10.1.1): answered here, once, before the body; never passed on."""

from pathlib import Path

from support.servers.registry import Call, Registry
from support.sidecars.forms import FORM, LENGTH, UPLOAD
from support.sidecars.running import Sidecar, grant, receive_all, running_sidecar


def stored(call: Call) -> None:
    call.reply(200, b"stored")


def test_a_client_that_expects_100_is_told_to_go_on(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", stored)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(FORM)
        assert receive_all(sock).endswith(b"stored")
    assert registry.requests[0].header("expect") is None


def test_a_client_that_expects_100_is_refused_before_it_sends(registry: Registry, tmp_path: Path) -> None:
    with running_sidecar(tmp_path, grant(registry, upload_url=None)) as sidecar, sidecar.connect() as sock:
        sock.sendall(UPLOAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
        assert receive_all(sock).startswith(b"HTTP/1.1 403 ")


def test_a_client_of_http_1_0_gets_no_interim_answer(registry: Registry, sidecar: Sidecar) -> None:
    """RFC 9110 §10.1.1: it would take it for the final one."""
    registry.on("/upload/", stored)
    raw = sidecar.exchange(UPLOAD.replace(b"1.1", b"1.0") + LENGTH + b"Expect: 100-continue\r\n\r\n" + FORM)
    assert raw.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_wait_for_100_is_served(registry: Registry, sidecar: Sidecar) -> None:
    """RFC 9110 §10.1.1: it may send its body at once, or after a while."""
    registry.on("/upload/", stored)
    raw = sidecar.exchange(UPLOAD + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n" + FORM)
    assert raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert bytes(registry.requests[0].body) == FORM


def test_a_registry_that_encourages_by_itself_makes_no_second_100(
    registry: Registry, sidecar: Sidecar
) -> None:
    def encourages(call: Call) -> None:
        call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        stored(call)

    registry.on("/upload/", encourages)
    raw = sidecar.exchange(UPLOAD + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n" + FORM)
    assert raw.count(b"100 Continue") <= 1
    assert raw.endswith(b"stored")


def test_a_download_expects_nothing(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/files/foo-1.0.zip", stored)
    reply = sidecar.get("/files/foo-1.0.zip", Expect="100-continue")
    assert reply.body == b"stored"
    assert registry.requests[0].header("expect") is None
