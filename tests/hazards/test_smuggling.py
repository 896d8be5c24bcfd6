"""Heads that two parsers read in two ways (RFC 9112 §11.2): refused, and never seen by the registry."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from support.certificates.authority import server_context
from support.servers.registry import PATIENCE_SECONDS, Call, Registry, Request
from support.sidecars.forms import BEGUN, FORM, LENGTH, UPLOAD
from support.sidecars.running import Sidecar, grant, receive_all, running_sidecar

WHEEL = b"/files/foo-1.0-py3-none-any.whl"
GET = b"GET " + WHEEL + b" HTTP/1.1\r\nHost: localhost\r\n"
POST = UPLOAD
HIDDEN = GET + b"\r\n"

SHAPES = {
    "length and coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" + HIDDEN,
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello" + HIDDEN,
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
    "a length with a fraction": POST + b"Content-Length: 5.0\r\n\r\nhello" + HIDDEN,
    "a length in two words": POST + b"Content-Length: 5 5\r\n\r\nhello" + HIDDEN,
    "an empty length": POST + b"Content-Length: \r\n\r\nhello" + HIDDEN,
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + HIDDEN,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a second coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and then another": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "chunked and a list": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "a coding with a tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the name": POST + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded line": POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a name without a colon": POST + b"Transfer-Encoding\r\n\r\n" + HIDDEN,
    "an empty name": POST + b": chunked\r\n\r\n" + HIDDEN,
    "a bare line feed in the head": POST + b"X: y\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a bare carriage return in a value": POST + b"X: y\rContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a NUL in a value": POST + b"X: y\x00z\r\n\r\n" + HIDDEN,
    "a NUL in a name": POST + b"X\x00: y\r\n\r\n" + HIDDEN,
    "line feeds only": GET.replace(b"\r\n", b"\n") + b"\n" + HIDDEN,
    "a coding in HTTP/1.0": POST.replace(b"1.1", b"1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "HTTP/0.9": b"GET " + WHEEL + b"\r\n\r\n",
    "HTTP/1.2": GET.replace(b"HTTP/1.1", b"HTTP/1.2") + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a space in the target": GET.replace(b".whl", b".whl x") + b"\r\n",
    "two versions": GET.replace(b" HTTP/1.1", b" HTTP/1.1 HTTP/1.1") + b"\r\n",
    "an octet beyond ASCII in the target": GET.replace(b".whl", b"\xff.whl") + b"\r\n",
    "a control in the target": GET.replace(b".whl", b"\x01.whl") + b"\r\n",
    "no method": GET.removeprefix(b"GET ") + b"\r\n",
    "an unknown method": GET.replace(b"GET", b"GETT", 1) + b"\r\n",
    "a method in lower case": GET.replace(b"GET", b"get", 1) + b"\r\n",
    "no version": b"GET /\r\n\r\n",
    "octets that are no text": b"\x00\x01\x02\x03\r\n\r\n",
}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry(server_context()) as found:
        yield found


@pytest.fixture(scope="module")
def sidecar(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One for all shapes: none of them may leave anything behind for the next."""
    registry.on("*", lambda call: call.reply(200, b"served"))
    with running_sidecar(tmp_path_factory.mktemp("smuggling"), grant(registry)) as found:
        # a credential that was never accepted would rest after a few uploads that break off
        request = POST + LENGTH + b"Connection: close\r\n\r\n" + FORM
        assert found.exchange(request).startswith(b"HTTP/1.1 200 ")
        yield found


@pytest.fixture(autouse=True)
def _everything(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, b"served"))
    registry.on("/upload/", lambda call: call.reply(200, b"served"))
    registry.requests.clear()
    sidecar.lines.clear()


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES.keys())
def test_a_head_that_can_be_read_in_two_ways_is_400_and_goes_nowhere(
    registry: Registry, sidecar: Sidecar, data: bytes
) -> None:
    raw = sidecar.exchange(data)
    assert raw.startswith(b"HTTP/1.1 400 "), raw
    assert raw.count(b"HTTP/1.1 ") == 1
    assert registry.requests == []
    sidecar.wait_line(message="request", status=400)


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES.keys())
def test_such_a_head_is_refused_on_a_kept_connection_too(
    registry: Registry, sidecar: Sidecar, data: bytes
) -> None:
    raw = sidecar.exchange(HIDDEN + data)
    assert raw.count(b"HTTP/1.1 200 ") == 1, raw
    assert raw.count(b"HTTP/1.1 400 ") == 1, raw
    assert len(registry.requests) == 1


def test_such_a_head_is_refused_however_it_is_cut(registry: Registry, sidecar: Sidecar) -> None:
    """Only the worst: a reader that sees a head's end one byte late would take the rest for a request."""
    data = SHAPES["length and coding"]
    ends = [data.index(b"\r\n\r\n") + shift for shift in range(5)]
    answers: list[bytes] = []

    def sends(end: int) -> None:
        with sidecar.connect() as sock:
            sock.sendall(data[:end])
            sidecar.get("/nothing")  # the first part has been read when this one is answered, most likely
            with contextlib.suppress(OSError):  # refused already
                sock.sendall(data[end:])
            answers.append(sock.recv(65536))

    threads = [threading.Thread(target=sends, args=(end,)) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one[:13] for one in answers] == [b"HTTP/1.1 400 "] * len(ends)
    assert registry.requests == []


@pytest.mark.parametrize("length", [b"Content-Length: %d" % len(HIDDEN), b"Transfer-Encoding: chunked"])
def test_the_body_of_a_download_is_no_request(registry: Registry, sidecar: Sidecar, length: bytes) -> None:
    """A GET may have a body, which no registry reads: it ends here."""
    body = HIDDEN if b"Length" in length else b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    with sidecar.connect() as sock:
        sock.sendall(GET + length + b"\r\n\r\n" + body)
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert (response.status, response.read(), response.will_close) == (200, b"served", True)
    (request,) = registry.requests
    assert request.header("content-length") is None
    assert request.header("transfer-encoding") is None


BAD_CHUNKS = {
    "a size that is no number": b"x\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size that is too long": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a bare line feed": b"5\nhello\n0\n\n",
    "too much data": b"5\r\nhello!\r\n0\r\n\r\n",
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("begin", [b"", BEGUN], ids=["at once", "behind a good one"])
@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_body_that_breaks_its_coding_never_looks_complete_to_the_registry(
    registry: Registry, sidecar: Sidecar, body: bytes, begin: bytes
) -> None:
    """A last chunk behind what came before the fault would make an upload of it."""
    begun = threading.Event()
    ended: SimpleQueue[Request] = SimpleQueue()

    def reads(call: Call) -> None:
        try:
            if begin:
                call.read_some()
            begun.set()
            call.read_body()
        finally:
            ended.put(call.request)

    registry.on("/upload/", reads)
    with sidecar.connect() as sock:
        sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + begin)
        assert begun.wait(PATIENCE_SECONDS)
        sock.sendall(body + HIDDEN)
        raw = receive_all(sock)
    assert raw.startswith(b"HTTP/1.1 400 "), raw
    assert raw.count(b"HTTP/1.1 ") == 1
    request = ended.get(timeout=PATIENCE_SECONDS)
    assert not request.is_whole
    assert bytes(request.body) == begin
    assert {one.method for one in registry.requests} == {"POST"}  # the hidden request was never one


def test_what_is_no_trick_is_served(registry: Registry, sidecar: Sidecar) -> None:
    """The detector of this file can say yes: odd but unambiguous heads."""
    for data in (
        HIDDEN,
        b"\r\n" + HIDDEN,  # RFC 9112 §2.2
        GET + b"X:y\r\n\r\n",
        GET + b"X: \t y \t\r\n\r\n",
        GET + b"X: \xe9\r\n\r\n",
        POST + b"Content-Length: 000%d\r\n\r\n" % len(FORM) + FORM,
        POST
        + b"Transfer-Encoding: Chunked\r\n\r\n%x;ext=1\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(FORM), FORM),
    ):
        closing = data.replace(b"Host: localhost\r\n", b"Host: localhost\r\nConnection: close\r\n")
        assert sidecar.exchange(closing).startswith(b"HTTP/1.1 200 "), data


def test_the_registry_gets_a_head_of_our_own_writing(registry: Registry, sidecar: Sidecar) -> None:
    """The registry sees the number as the proxy understood it, in any spelling of the client's."""
    sidecar.exchange(POST + b"Connection: close\r\nContent-Length:\t000%d \r\n\r\n" % len(FORM) + FORM)
    # the registry may learn only now of a chunked one that an earlier test broke off
    lengths = [one.header("content-length") for one in registry.requests]
    assert [one for one in lengths if one] == [str(len(FORM))]
