"""Requests that do not wait for the answer before: answered in their order, none lost, none invented."""

from registry import Registry
from sidecars import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
GET = f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_pipelined_requests_are_answered_in_their_order(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, call.request.target.encode()))
    names = [f"/files/foo-{number}.0.tar.gz" for number in range(10)]
    requests = "".join(f"GET {name} HTTP/1.1\r\nHost: localhost\r\n\r\n" for name in names)
    raw = sidecar.exchange(requests.replace("10.0", "10.0").encode()[:-2] + b"Connection: close\r\n\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2].decode() for part in raw.split(b"HTTP/1.1 200 ")[1:]]
    assert bodies == names


def test_a_request_behind_an_upload_is_answered_too(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    upload = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    raw = sidecar.exchange(upload + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.endswith(b"wheel")
    assert bytes(registry.seen("/upload/")[0].body) == b"hello"


def test_what_stands_in_the_body_of_a_refused_request_is_no_request(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"smuggled"))
    for method, target in (("POST", "/simple/"), ("GET", "/nothing"), ("PUT", "/x")):
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(GET)}\r\n\r\n"
        raw = sidecar.exchange(head.encode() + GET)
        assert raw.count(b"HTTP/1.1 ") == 1
    assert registry.requests == []
