"""Uploads: they arrive as they are, or not at all, and are never sent twice."""

import http.client
import threading

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, BEGUN, END, FORM, TYPE, UPLOAD, chunk, form
from support.sidecars.running import Sidecar

MIB = 1 << 20


def stored(call: Call) -> None:
    call.reply(200, b"stored")


@pytest.mark.parametrize("target", ["/", "/legacy", "/legacy/"])
def test_an_upload_arrives_as_it_is(registry: Registry, sidecar: Sidecar, target: str) -> None:
    registry.on("/upload/", stored)
    body = bytes(range(256)) * 100
    reply = sidecar.upload(body, {"User-Agent": "twine/6"}, target)
    assert (reply.status, reply.body) == (200, b"stored")
    (request,) = registry.requests
    assert (request.method, bytes(request.body)) == ("POST", form(body))
    assert request.header("content-length") == str(len(form(body)))
    assert request.header("content-type") == TYPE
    assert request.header("user-agent") == "twine/6"


def test_an_upload_of_unknown_length_is_chunked_all_the_way(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", stored)
    pieces = [BEGIN + b"a" * 10, b"b" * 200_000, b"c" + END]
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/", iter(pieces), {"Content-Type": TYPE}, encode_chunked=True)
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
    head = UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n"
    sidecar.exchange(head + chunk(FORM) + b"0\r\n\r\n" + hidden)
    assert b"poison" not in b"".join(bytes(one.body) for one in registry.requests)


def test_an_upload_of_an_empty_file_is_passed_on(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(400, b"no file"))
    assert sidecar.upload(b"").body == b"no file"


def test_a_malformed_chunk_is_refused_and_never_looks_complete_to_the_registry(
    registry: Registry, sidecar: Sidecar
) -> None:
    finished = threading.Event()

    def script(call: Call) -> None:
        call.read_body()
        finished.set()

    registry.on("/upload/", script)
    raw = sidecar.exchange(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n" + BEGUN + b"XX\r\n")
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert registry.gone.wait(PATIENCE_SECONDS)
    assert not finished.is_set()


def test_an_upload_is_never_sent_twice(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: (call.read_body(), call.cut()))  # type: ignore[arg-type,return-value]
    reply = sidecar.upload(b"hello")
    assert reply.status == 424
    assert len(registry.requests) == 1


def test_the_registrys_word_about_an_upload_reaches_the_client(registry: Registry, sidecar: Sidecar) -> None:
    for status in (200, 201, 400, 409, 500):
        registry.on("/upload/", lambda call, status=status: call.reply(status, b"why"))
        reply = sidecar.upload(b"hello")
        assert (reply.status, reply.body) == (status, b"why")
    registry.on("/upload/", lambda call: call.reply(403, b"this version exists"))
    assert sidecar.upload(b"hello").body == b"this version exists"
