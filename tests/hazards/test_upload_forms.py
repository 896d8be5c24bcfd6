"""Uploads upload files: no other form, no other type, and no end of a form before it was seen whole."""

import http.client
import threading
from collections.abc import Callable

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import ACTION, BEGIN, BOUNDARY, CONTENT, END, FORM, LENGTH, TYPE, UPLOAD, chunk
from support.sidecars.running import Sidecar, receive_all

DELETION = ACTION.replace(b"file_upload", b"remove_pkg")
NAME = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\nfoo'.encode()
PUSH = b'{"name":"foo","version":"1.0","targetindex":"root/base"}'
QUERY = b":action=remove_pkg&name=foo&version=1.0"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

WRONG = {
    "a deletion": (DELETION + NAME + END, b""),
    "a deletion behind an upload": (ACTION + b"\r\n" + DELETION + CONTENT + b"x" + END, ACTION),
    "a deletion at the end": (BEGIN + b"x\r\n" + DELETION + END, BEGIN + b"x"),
    "a deletion in a file": (BEGIN + b"x" + DELETION + END, BEGIN + b"x"),
    "a deletion behind a line feed": (BEGIN + b"x\n" + DELETION + END, BEGIN + b"x\n"),
    "no action": (CONTENT + b"x" + END, CONTENT + b"x"),
    "octets behind the end": (FORM + DELETION, FORM.removesuffix(END)),
    "no end": (FORM.removesuffix(END), FORM.removesuffix(END)),
    "half an end": (FORM[:-4], FORM.removesuffix(END)),
    "a query": (QUERY, b""),
    "JSON": (PUSH, b""),
}


class Storing:
    """A registry that stores whatever it gets, whole or not."""

    def __init__(self, registry: Registry) -> None:
        self.got = b""
        self.is_whole = False
        self.has_ended = threading.Event()
        registry.on("/upload/", self._take)

    def _take(self, call: Call) -> None:
        try:
            call.read_body()
            call.reply(200, b"stored")
        finally:
            self.got, self.is_whole = bytes(call.request.body), call.request.is_whole
            self.has_ended.set()


def fixed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n" + (chunk(body) if body else b"") + b"0\r\n\r\n"


def in_single_octets(body: bytes) -> bytes:
    octets = (chunk(bytes([octet])) for octet in body)
    return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(octets) + b"0\r\n\r\n"


@pytest.mark.parametrize("framed", [fixed, chunked, in_single_octets], ids=lambda one: one.__name__)
@pytest.mark.parametrize(("body", "seen"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_form_is_refused_and_the_registry_gets_nothing_of_what_is_wrong(
    registry: Registry, sidecar: Sidecar, body: bytes, seen: bytes, framed: Callable[[bytes], bytes]
) -> None:
    storing = Storing(registry)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + framed(body))
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 400
        assert response.read().startswith(b"this is no upload of a package: ")
    assert storing.has_ended.wait(PATIENCE_SECONDS)
    assert seen.startswith(storing.got)
    assert not storing.is_whole
    assert sidecar.wait_line(message="request", action="upload")["reason"] == "form-refused"


def test_an_empty_body_is_refused_before_the_registry_is_asked(registry: Registry, sidecar: Sidecar) -> None:
    raw = sidecar.exchange(UPLOAD + b"Connection: close\r\n" + fixed(b""))
    assert raw.startswith(b"HTTP/1.1 400 this is no upload of a package: "), raw
    assert registry.connections == 0


TYPES = {
    "JSON": (b"Content-Type: application/json\r\n", PUSH),
    "a query": (b"Content-Type: application/x-www-form-urlencoded\r\n", QUERY),
    "no type": (b"", QUERY),
    "a form without type": (b"", FORM),
    "no boundary": (b"Content-Type: multipart/form-data\r\n", FORM),
    "two types": (f"Content-Type: {TYPE}\r\nContent-Type: application/json\r\n".encode(), FORM),
    "the same type twice": (f"Content-Type: {TYPE}\r\nContent-Type: {TYPE}\r\n".encode(), FORM),
    "a charset": (f"Content-Type: {TYPE}; charset=utf-7\r\n".encode(), FORM),
}


@pytest.mark.parametrize(("field", "body"), TYPES.values(), ids=TYPES.keys())
def test_another_type_is_refused_before_the_registry_is_asked(
    registry: Registry, sidecar: Sidecar, field: bytes, body: bytes
) -> None:
    raw = sidecar.exchange(HEAD + field + fixed(body))
    assert raw.startswith(b"HTTP/1.1 415 this is no upload of a package: "), raw
    assert registry.connections == 0
    assert sidecar.wait_line(message="request", action="upload")["reason"] == "form-refused"


@pytest.mark.parametrize(
    "field",
    [
        f"Content-Type: {TYPE}\r\nConnection: content-type\r\n",
        f'content-type:multipart/form-data;boundary="{BOUNDARY}" \r\n',
        f"Content-Type: Multipart/Form-Data ; Boundary={BOUNDARY}\r\n",
    ],
)
def test_the_registry_always_gets_the_type_and_in_one_spelling(
    registry: Registry, sidecar: Sidecar, field: str
) -> None:
    """Without a type, bottle reads the body as a query, which could have an action in the name of a file."""
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    with sidecar.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + field.encode() + LENGTH + b"\r\n" + FORM)
        assert sock.recv(12) == b"HTTP/1.1 200"
    (request,) = registry.requests
    assert [value for name, value in request.headers if name.lower() == "content-type"] == [TYPE]
    assert bytes(request.body) == FORM


def test_the_end_of_a_form_waits_for_the_end_of_the_body(registry: Registry, sidecar: Sidecar) -> None:
    """Otherwise a registry that stops at the closing delimiter would take an upload that is refused later."""
    storing = Storing(registry)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (len(FORM) + 1) + FORM)
        registry.wait_for("/upload/")
        sock.sendall(b"x")
        assert receive_all(sock).startswith(b"HTTP/1.1 400 ")
    assert storing.has_ended.wait(PATIENCE_SECONDS)
    assert storing.got == FORM.removesuffix(END)


def test_a_client_that_sends_on_reads_the_sentence(registry: Registry, sidecar: Sidecar) -> None:
    Storing(registry)
    with sidecar.connect() as sock:
        sock.sendall(UPLOAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (20 << 20))
        sock.sendall((DELETION + NAME).ljust(20 << 20, b"x"))
        assert receive_all(sock).startswith(
            b"HTTP/1.1 400 this is no upload of a package: its :action is not"
        )


def test_an_upload_of_distutils_arrives(registry: Registry, sidecar: Sidecar) -> None:
    """It begins with the line end of its first delimiter."""
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    assert sidecar.ask("POST", "/", {"Content-Type": TYPE}, b"\r\n" + FORM).body == b"stored"
    assert bytes(registry.requests[0].body) == b"\r\n" + FORM
