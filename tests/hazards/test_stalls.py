"""Peers that stall: each wait has its limit and its reason, and delays no other request.

The limits are minutes, so the tests advance the clock.
"""

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from sidecar.errors import UpstreamUnreachable
from sidecar.exchange.upstream import _send_head
from sidecar.sockets.loop import Loop
from support.servers.registry import PATIENCE_SECONDS, Call
from support.sidecars.forms import BEGIN, FORM, LENGTH, TYPE_LINE, chunk
from support.sidecars.loops import run, wire_of
from support.sidecars.running import fill, receive_all
from support.sidecars.stages import Clock, Stage, staged

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
HEAD = b"Host: localhost\r\nConnection: close\r\n"
UPLOAD = b"POST / HTTP/1.1\r\n" + HEAD + TYPE_LINE
HTML = {"Content-Type": "text/html"}
ENDLESS = {"Content-Length": str(1 << 40)}
CHUNKED = {"Transfer-Encoding": "chunked"}
MIB = 1 << 20
LONG_SECONDS = 10 * PATIENCE_SECONDS


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"


def stays(call: Call) -> None:
    call.wait_gone(LONG_SECONDS)


def is_silent(sock: socket.socket) -> bool:
    """Whether nothing has come, not even the end."""
    return not select.select([sock], [], [], 0)[0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("sockets.loop", "exchange.client"):
        monkeypatch.setattr(f"sidecar.{module}.time", clock)
    return clock


@pytest.fixture
def stage(clock: Clock) -> Iterator[Stage]:
    with staged(clock) as found:
        yield found


@pytest.mark.parametrize(
    ("framing", "piece"),
    [
        (b"Content-Length: 1000\r\n\r\n" + BEGIN, b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunk(BEGIN), chunk(b"hello")),
    ],
    ids=["fixed", "chunked"],
)
def test_an_upload_that_pauses_for_60_s_is_408(stage: Stage, framing: bytes, piece: bytes) -> None:
    """From one piece to the next, however long all of it takes."""
    stage.registry.on("/upload/", Call.read_body)
    with stage.connect() as sock:
        sock.sendall(UPLOAD + framing + piece)
        stage.registry.wait_for("/upload/")
        stage.wait(50)
        sock.sendall(piece)
        stage.wait(50)
        assert is_silent(sock)
        stage.wait(11)
        assert sock.recv(65536).startswith(b"HTTP/1.1 408 no more of the upload came for 60 s\r\n")
    assert stage.lines.wait("slow-request")["status"] == 408
    assert stage.registry.gone.wait(PATIENCE_SECONDS)
    (upload,) = stage.registry.seen("/upload/")
    assert (upload.body_size, upload.is_whole) == (len(BEGIN) + 10, False)


class Stalling:
    """Sends the begin of a response, and no more of it for as long as the other side stays."""

    def __init__(self, status: int, headers: dict[str, str], begin: bytes) -> None:
        self._status = status
        self._headers = headers
        self._begin = begin
        self.has_begun = threading.Event()

    def __call__(self, call: Call) -> None:
        call.start(self._status, self._headers)
        call.send(self._begin)
        self.has_begun.set()
        stays(call)


@pytest.mark.parametrize(
    ("path", "script"),
    [
        (WHEEL, Stalling(200, ENDLESS, b"part")),
        (WHEEL, Stalling(200, CHUNKED, chunk(b"part"))),
        (WHEEL, Stalling(200, {}, b"part")),
        (PAGE, Stalling(200, ENDLESS | HTML, b"<a href='x'>part</a>")),
        (PAGE, Stalling(200, CHUNKED | HTML, chunk(b"<a href='x'>part</a>"))),
    ],
    ids=["a file", "a file in chunks", "a file until the end", "a page", "a page in chunks"],
)
def test_a_response_of_which_nothing_more_comes_for_60_s_is_broken_off(
    stage: Stage, path: str, script: Stalling
) -> None:
    stage.registry.on(path, script)
    with stage.connect() as sock:
        sock.sendall(get(path))
        found = b""
        while b"part" not in found:
            found += sock.recv(65536)
        stage.wait(50)
        assert is_silent(sock)
        stage.wait(11)
        with pytest.raises(ConnectionResetError):
            receive_all(sock)
    assert stage.lines.wait("registry-broke-off")["detail"] == "the registry sent nothing more for 60 s"
    assert stage.registry.gone.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("path", "script"),
    [
        (WHEEL, Stalling(200, ENDLESS, b"")),
        (PAGE, Stalling(200, CHUNKED | HTML, chunk(b"<a href='"))),
    ],
    ids=["nothing of a file", "part of a link"],
)
def test_a_response_that_stalls_before_any_of_it_was_passed_on_is_502_with_its_cause(
    stage: Stage, path: str, script: Stalling
) -> None:
    stage.registry.on(path, script)
    with stage.connect() as sock:
        sock.sendall(get(path))
        assert script.has_begun.wait(PATIENCE_SECONDS)
        stage.wait(50)
        assert is_silent(sock)
        stage.wait(11)
        assert receive_all(sock).startswith(b"HTTP/1.1 502 the registry sent nothing more for 60 s\r\n")
    assert stage.lines.wait("registry-broke-off")["status"] == 502
    assert stage.registry.gone.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("request_head", "path", "limit"),
    [(get(WHEEL), WHEEL, 120), (get(PAGE), PAGE, 120), (UPLOAD + LENGTH + b"\r\n" + FORM, "/upload/", 300)],
    ids=["a file", "a page", "an upload"],
)
def test_a_registry_that_does_not_answer_is_an_error_with_its_cause(
    stage: Stage, request_head: bytes, path: str, limit: int
) -> None:
    """It has longer for an upload: some look through it first. And it may have taken the upload."""
    status, code = (424, "upload-unconfirmed") if limit == 300 else (502, "registry-unreachable")
    stage.registry.on(path, stays)
    with stage.connect() as sock:
        sock.sendall(request_head)
        stage.registry.wait_for(path)
        stage.wait(limit - 10)
        assert is_silent(sock)
        stage.wait(11)
        sentence = b"HTTP/1.1 %d the registry did not answer within %d s" % (status, limit)
        assert receive_all(sock).startswith(sentence)
    assert stage.lines.wait(code)["status"] == status
    assert stage.registry.gone.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n40000000\r\n"],
    ids=["fixed", "chunked"],
)
def test_a_registry_that_takes_no_more_of_an_upload_for_60_s_is_502(stage: Stage, framing: bytes) -> None:
    is_over = threading.Event()

    def takes_nothing(call: Call) -> None:
        is_over.wait(LONG_SECONDS)
        call.wait_gone()

    stage.registry.on("/upload/", takes_nothing)
    with stage.connect() as sock:
        sock.sendall(UPLOAD + framing + BEGIN)
        fill(sock, b"x" * MIB)
        stage.wait(50)
        assert is_silent(sock)
        stage.wait_until(lambda: not is_silent(sock))
        sentence = b"the registry takes no more of the upload for 60 s"
        assert sock.recv(65536).startswith(b"HTTP/1.1 502 " + sentence + b"\r\n")
    assert stage.lines.wait("registry-unreachable")["detail"] == sentence.decode()
    is_over.set()
    assert stage.registry.gone.wait(PATIENCE_SECONDS)


def test_a_registry_that_takes_no_request_for_60_s_is_unreachable(clock: Clock) -> None:
    """Through a pair of sockets, for TCP's own buffers are larger than any head."""
    loop = Loop()

    async def sends(sock: socket.socket) -> None:
        with pytest.raises(UpstreamUnreachable, match="takes no request"):
            await _send_head(wire_of(loop, sock), b"x" * MIB)
        assert clock.ahead > 60

    async def waits() -> None:
        for seconds in (50, 11):
            clock.advance(seconds)
            for _ in range(3):
                await loop.pause()

    ours, theirs = socket.socketpair()
    with ours, theirs:
        run(loop, sends(ours), waits())


class Flood:
    """A response that never ends; `sent` is how much of it was taken so far."""

    def __init__(self, headers: dict[str, str], piece: bytes) -> None:
        self._headers = headers
        self._piece = piece
        self.sent = 0

    def __call__(self, call: Call) -> None:
        call.start(200, self._headers)
        while True:
            call.send(self._piece)
            self.sent += len(self._piece)

    def wait_stuck(self, gone: threading.Event) -> int:
        """Until nothing more is taken; how much was."""
        before = -1
        while before != self.sent:
            before = self.sent
            assert not gone.wait(0.3)
        return before


@pytest.mark.parametrize(
    ("path", "flood"),
    [
        (WHEEL, Flood(ENDLESS, b"x" * (1 << 16))),
        (WHEEL, Flood(CHUNKED, chunk(b"x" * (1 << 16)))),
        (PAGE, Flood(CHUNKED | HTML, chunk(b"<a href='/files/foo-1.0.zip'>foo</a>\n" * 2000))),
    ],
    ids=["a file", "a file in chunks", "a page"],
)
def test_a_client_that_reads_nothing_for_300_s_is_left_and_has_no_whole_answer(
    stage: Stage, path: str, flood: Flood
) -> None:
    """From one read to the next: a client that unpacks its data may take its time."""
    gone = stage.registry.gone
    stage.registry.on(path, flood)
    with stage.connect() as sock:
        sock.sendall(get(path))
        taken = flood.wait_stuck(gone)
        stage.wait(290)
        read = 0
        while read <= taken + MIB and (piece := sock.recv(MIB)):  # the last was sent after that wait
            read += len(piece)
        flood.wait_stuck(gone)
        stage.wait(290)
        assert not gone.is_set()
        stage.wait_until(gone.is_set)
        assert stage.lines.wait("client-gone")["status"] == 200
        rest = receive_all(sock)
    assert rest
    assert not rest.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_the_rest_of_a_refused_upload_is_waited_for_5_s_at_a_time_and_60_s_in_all(
    stage: Stage, framing: bytes
) -> None:
    refused = b"POST /nowhere HTTP/1.1\r\n" + HEAD + framing + b"\r\n\r\n"
    with stage.connect() as silent, stage.connect() as dripping:
        for sock in (silent, dripping):
            sock.sendall(refused + b"x")
            assert sock.recv(65536).startswith(b"HTTP/1.1 405 ")
        stage.wait(3)
        dripping.sendall(b"x")
        assert is_silent(silent)
        stage.wait(3)
        assert silent.recv(1) == b""
        for _ in range(14):
            dripping.sendall(b"x")
            assert is_silent(dripping)
            stage.wait(4)
        dripping.sendall(b"x")
        stage.wait(0)
        assert not is_silent(dripping)
