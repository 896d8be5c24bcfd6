"""Pipelined requests are answered in their order, without losses or inventions."""

import http.client
import io
import random
import threading

import pytest

from support.machine.processes import peak_kib
from support.machine.times import soon
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import FORM, LENGTH, UPLOAD, form
from support.sidecars.running import Sidecar, fill, receive_all

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_pipelined_requests_are_answered_in_their_order(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, call.request.target.encode()))
    names = [f"/files/foo-{number}.0.tar.gz" for number in range(10)]
    requests = "".join(f"GET {name} HTTP/1.1\r\nHost: localhost\r\n\r\n" for name in names)
    raw = sidecar.exchange(requests.encode()[:-2] + b"Connection: close\r\n\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2].decode() for part in raw.split(b"HTTP/1.1 200 ")[1:]]
    assert bodies == names


def test_a_request_behind_an_upload_is_answered_too(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    upload = UPLOAD + LENGTH + b"\r\n" + FORM
    raw = sidecar.exchange(upload + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.endswith(b"wheel")
    assert bytes(registry.seen("/upload/")[0].body) == FORM


def test_what_stands_in_the_body_of_a_refused_request_is_no_request(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"smuggled"))
    for method, target in (("POST", "/simple/"), ("GET", "/nothing"), ("PUT", "/x")):
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(GET)}\r\n\r\n"
        raw = sidecar.exchange(head.encode() + GET)
        assert raw.count(b"HTTP/1.1 ") == 1
    assert registry.requests == []


class Octets(io.BytesIO):
    """A stream that stays open where a response ends, and stands for a socket."""

    def makefile(self, mode: str) -> "Octets":
        return self

    def close(self) -> None:
        pass


def responses(raw: bytes, count: int) -> list[tuple[int, bytes]]:
    """Status and body of each response in a stream, read as RFC 9112 §6 frames them."""
    stream, found = Octets(raw), []
    for _ in range(count):
        response = http.client.HTTPResponse(stream)  # type: ignore[arg-type]
        response.begin()
        found.append((response.status, response.read()))
    assert stream.read() == b""
    return found


def mixed(count: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Requests of all kinds in one stream, and what must come back."""
    requests, expected = b"", []
    for number in range(count):
        path = f"/files/foo-{number}.0.tar.gz"
        if number % 4 == 0:
            requests += f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            expected.append((200, path.encode() * number * 50))
        elif number % 4 == 1:
            body = form(b"%d" % number * number)
            requests += UPLOAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
            expected.append((200, body))
        elif number % 4 == 2:
            requests += f"GET /nothing/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            expected.append((404, b""))
        else:
            requests += f"GET /simple/p{number}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            expected.append((200, b"<a>" * number * 50))
    end = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return requests + end, [*expected, (404, b"")]


def serve_mixed(call: Call) -> None:
    target = call.request.target
    number = int("".join(filter(str.isdigit, target)) or 0)
    if target == "/upload/":
        call.read_body()
        call.reply(200, bytes(call.request.body))
    elif target.startswith("/simple/"):
        call.reply(200, b"<a>" * number * 50, {"Content-Type": "text/html"})
    else:
        call.reply(200, target.encode() * (number // 10) * 50)


@pytest.mark.parametrize("largest", [1, 50, 5000, 1 << 20])
def test_a_stream_of_requests_is_answered_the_same_however_it_is_cut(
    registry: Registry, sidecar: Sidecar, largest: int
) -> None:
    registry.on("*", serve_mixed)
    data, expected = mixed(24)
    chance = random.Random(largest)
    with sidecar.connect() as sock:

        def send() -> None:
            at = 0
            while at < len(data):
                size = chance.randint(1, largest)
                sock.sendall(data[at : at + size])
                at += size

        sending = threading.Thread(target=send)
        sending.start()
        raw = receive_all(sock)
        sending.join()
    found = responses(raw, len(expected))
    assert [status for status, _ in found] == [status for status, _ in expected]
    assert [body for status, body in found if status == 200] == [
        body for status, body in expected if status == 200
    ]


def test_a_client_that_only_sends_does_not_fill_the_memory(registry: Registry, sidecar: Sidecar) -> None:
    """Requests and answers that nobody reads wait in the kernel, on their own side."""
    registry.on(WHEEL, lambda call: call.reply(200, b"x" * 1_000_000))
    assert sidecar.get(WHEEL).status == 200
    before = peak_kib(sidecar.process.pid)
    with sidecar.connect() as sock:
        fill(sock, GET * 1000)
        assert len(registry.requests) < 100
        assert peak_kib(sidecar.process.pid) - before < 4 * 1024
        assert sidecar.get(WHEEL).status == 200


@pytest.mark.parametrize("behind", [GET, GET[:20], b"x" * 50_000], ids=["request", "part", "garbage"])
@pytest.mark.parametrize(
    "begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"], ids=["head", "body"]
)
def test_a_client_that_leaves_behind_unread_bytes_is_seen_to_leave(
    registry: Registry, sidecar: Sidecar, begins: bytes, behind: bytes
) -> None:
    """Its end stands behind what it sent ahead, which nobody reads while the registry stalls."""

    def stalls(call: Call) -> None:
        call.send(begins)
        call.wait_gone()

    registry.on(WHEEL, stalls)
    with sidecar.connect() as sock:
        sock.sendall(GET + behind)
        registry.wait_for(WHEEL)
    with soon():
        assert registry.gone.wait(PATIENCE_SECONDS)
    sidecar.wait_line(message="request", reason="client-gone")
    assert len(registry.requests) == 1
