"""The workload's side of one exchange: its request, its body, and the response as it goes out."""

import contextlib
import socket
import struct
import time

from sidecar.contract.words import Code
from sidecar.errors import ClientGone, Refusal
from sidecar.http.http1 import (
    CHUNKED,
    Headers,
    MalformedHead,
    RequestHead,
    find,
    has_token,
    render_response,
)
from sidecar.rules.answers import Answer, render_answer
from sidecar.sockets.bodies import Body
from sidecar.sockets.wire import Watched, Wire, WireClosed, WireTimeout

SEND_SECONDS = 300.0
"""A client that reads slowly is busy unpacking what it has: uv pauses a download while it writes wheels"""
BODY_SECONDS = 60.0
"""Between two pieces of an upload: it comes from a file on the same machine"""
TAKE_SECONDS = 1.0
"""For the 4 MiB that a socket holds: pip reads a hundred times as fast"""
DRAIN_SECONDS = 5.0
DRAIN_SECONDS_IN_ALL = 60.0
"""A GiB from the same machine takes a few; whoever takes longer holds a place that others need"""

_LOOPBACK_HOSTS = (b"127.0.0.1", b"localhost")
"""A listener has IPv4's loopback address only, so `[::1]` never names it"""


def host_names(port: int) -> frozenset[bytes]:
    """All values of `Host` that the listener of this port accepts, in lower case.

    The set is closed: nothing is parsed that another program might read differently. A name without a port is
    accepted, because it names no other listener and people write it by hand.
    """
    return frozenset(name + end for name in _LOOPBACK_HOSTS for end in (b"", b":%d" % port))


class Exchange:
    """One request and its response. `status` and `sent` are for the log."""

    def __init__(self, wire: Wire, head: RequestHead, buffer: memoryview) -> None:
        self.wire = wire
        self.head = head
        self.buffer = buffer
        self.status = 0
        self.sent = 0
        """Octets of body"""
        self.code: str | None = None
        self.sentence: str | None = None
        self.is_started = False
        """Whether octets of the response have been sent"""
        self.closes = head.wants_close or head.length == CHUNKED
        self._body: Body | None = None
        self._is_body_read = head.length == 0
        self._is_body_lost = False
        self._is_chunked = False
        self._remaining = head.length
        # a client of HTTP/1.0 would take it for the answer (RFC 9110 §10.1.1)
        self._continues = head.version == "1.1" and has_token(head.headers, b"expect", b"100-continue")

    @property
    def repeats_broken_only(self) -> bool:
        """Whether its client sends an upload again after a broken connection, but after no status.

        So does uv publish (0.13.9 was tried with 500, 502, 503, 504 and 429, each with Retry-After).
        """
        return (find(self.head.headers, b"user-agent") or b"").startswith(b"uv/")

    def check(self, host_names: frozenset[bytes]) -> None:
        """Refuse what no package client sends: another host's name, or a web page's request."""
        hosts = []
        for name, value in self.head.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin" or name.startswith(b"sec-fetch-"):
                raise Refusal(403, Code.BROWSER_REFUSED, "requests of web pages are not served")
        # blanks after a value are not part of it (RFC 9112 §5.1), but llhttp leaves them there
        if len(hosts) != 1 or hosts[0].rstrip(b" \t").lower() not in host_names:
            sentence = "this listener answers to 127.0.0.1 and localhost only, at its own port"
            raise Refusal(421, Code.WRONG_HOST, sentence)

    async def read_body(self, watched: Watched) -> memoryview:
        """The next piece of the request's body, empty at its end.

        Raises ClientGone if it ends early, Refusal if it breaks its coding, WatchedClosed.
        """
        if self._body is None:
            self._body = Body(
                self.wire, self.head.length, self.buffer, BODY_SECONDS, watched=watched, is_request=True
            )
        if self._continues:
            self._continues = False
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            view = await self._body.read()
        except WireClosed as error:
            raise ClientGone from error
        except WireTimeout as error:
            self.closes = True
            raise Refusal(
                408, Code.SLOW_REQUEST, f"no more of the upload came for {BODY_SECONDS:.0f} s"
            ) from error
        except MalformedHead as error:
            self.closes = True
            self._is_body_lost = True
            raise Refusal(400, Code.BAD_REQUEST, f"the upload's body is malformed: {error}") from error
        self._remaining -= len(view)
        self._is_body_read = not view or self._remaining == 0
        return view

    def start(
        self, status: int, reason: bytes, headers: Headers, length: int | None, *, has_body: bool = True
    ) -> bytes:
        """The response's head, not sent yet so that the first octets of the body can go with it.

        `length` None: not known before; chunked, or for an HTTP/1.0 client until the end of the connection.
        """
        self.status = status
        fields = list(headers)
        if length is not None:
            fields.append((b"content-length", b"%d" % length))
        elif not has_body:
            pass
        elif self.head.version == "1.1":
            self._is_chunked = True
            fields.append((b"transfer-encoding", b"chunked"))
        else:
            self.closes = True
        self.closes = self.closes or not self._is_body_read
        if self.closes:
            fields.append((b"connection", b"close"))
        return render_response(status, reason, fields)

    async def send(self, head: bytes, view: memoryview | bytes) -> None:
        """Send octets of the body, with the head in front the first time."""
        self.is_started = True
        self.sent += len(view)
        if view and self._is_chunked:
            await self._send(b"".join((head, b"%x\r\n" % len(view), view, b"\r\n")))
        elif view:
            await self._send(b"".join((head, view)) if head else view)
        elif head:
            await self._send(head)

    async def finish(self) -> None:
        if self._is_chunked:
            await self._send(b"0\r\n\r\n")

    async def break_off(self) -> None:
        """Reset the connection, so that no client takes what it has for the whole.

        A reset drops what our side still holds, 4 MiB at most: pip, which goes on where it was, would ask for
        it once more, and never come to the end of a file that always breaks off there.
        """
        self.closes = True
        await self.wire.until_taken(TAKE_SECONDS)
        with contextlib.suppress(OSError):  # closed meanwhile
            self.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def answer(self, answer: Answer, extra: Headers | None = None) -> None:
        """An answer of our own in place of a response."""
        self.status, self.code, self.sentence = answer.status, answer.code, answer.sentence
        self.closes = self.closes or not self._is_body_read
        is_head = self.head.method == "HEAD"
        self.is_started = True
        await self._send(render_answer(answer, is_head=is_head, closes=self.closes, extra=extra))

    async def drain(self) -> None:
        """Take the rest of a body that nobody wants, so that the client comes to read the answer.

        Closing with unread octets resets the connection (RFC 9112 §9.6), and the answer is lost: twine and uv
        read it only after they have sent everything.
        """
        if self._is_body_read or self._is_body_lost or self._continues:
            return
        until = time.monotonic() + DRAIN_SECONDS_IN_ALL
        try:
            while self.head.length == CHUNKED and time.monotonic() < until:
                if not await self.wire.receive(self.buffer, DRAIN_SECONDS):
                    return
                await self.wire.pause()
            while self._remaining > 0 and time.monotonic() < until:
                count = await self.wire.receive(self.buffer[: self._remaining], DRAIN_SECONDS)
                if not count:
                    return
                self._remaining -= count
                await self.wire.pause()
        except (WireClosed, WireTimeout):
            return

    async def _send(self, data: bytes | memoryview) -> None:
        try:
            await self.wire.send(data, SEND_SECONDS)
        except (WireClosed, WireTimeout) as error:
            raise ClientGone from error
