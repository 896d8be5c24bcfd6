"""The client's side of one exchange: its request, the request's body, and the response that it gets."""

import contextlib
import socket
import struct
import time

from sidecar.contract.words import Code
from sidecar.errors import ClientGone, Refusal
from sidecar.exchange.states import RequestState, ResponseState, next_of_request, next_of_response
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
from sidecar.sockets.readiness import Watched, WireTimeout
from sidecar.sockets.wire import Wire, WireClosed

SEND_SECONDS = 300.0
"""A slow reader may be busy: uv pauses a download while it writes wheels"""
BODY_SECONDS = 60.0
"""Between two pieces of an upload, which comes from a file on the same machine"""
TAKE_SECONDS = 1.0
"""To take the 4 MiB that a socket holds; pip reads a hundred times as fast"""
DRAIN_SECONDS = 5.0
DRAIN_SECONDS_IN_ALL = 60.0
"""A GiB from the same machine takes a few; a slower client holds a place that other requests need"""

_LOOPBACK_HOSTS = (b"127.0.0.1", b"localhost")
"""A listener has the loopback address of IPv4 only, so `[::1]` never names it"""


def host_names(port: int) -> frozenset[bytes]:
    """All values of `Host` that the listener of this port accepts, in lower case.

    The set is closed: a parsed value could mean something else to another program. A name without a port is
    accepted, because it names no other listener and people write it by hand.
    """
    return frozenset(name + end for name in _LOOPBACK_HOSTS for end in (b"", b":%d" % port))


class Exchange:
    """One request and its response, each with a state (`states.py`). The log shows `status` and `sent`."""

    __slots__ = (
        "_body",
        "_closes",
        "_is_chunked",
        "_remaining",
        "_request",
        "_response",
        "buffer",
        "head",
        "sent",
        "status",
        "wire",
    )

    local = ""
    """Origin and prefix by which this client reaches us, `http://host/prefix`; empty: the listener's own"""
    prefix = ""
    """The prefix in `local`; mostly empty"""

    def __init__(self, wire: Wire, head: RequestHead, buffer: memoryview) -> None:
        self.wire = wire
        self.head = head
        self.buffer = buffer
        self.status = 0
        self.sent = 0
        """Bytes of the response's body"""
        self._request: RequestState = _first_state(head)
        self._response: ResponseState = "pending"
        self._closes = head.wants_close or head.length == CHUNKED
        """Whether the connection ends with this exchange; the response's head tells the client"""
        self._body: Body | None = None
        self._is_chunked = False
        self._remaining = head.length

    @property
    def can_answer(self) -> bool:
        """Whether an answer of our own may still take the place of the response."""
        return self._response in ("pending", "begun")

    @property
    def keeps_connection(self) -> bool:
        """Whether the client may send its next request on the same connection."""
        return self._response == "complete" and not self._closes

    @property
    def repeats_broken_only(self) -> bool:
        """Whether the client repeats an upload after a broken connection, but after no status.

        uv publish does (0.13.9 was tried with 500, 502, 503, 504 and 429, each with Retry-After).
        """
        return (find(self.head.headers, b"user-agent") or b"").startswith(b"uv/")

    def check(self, host_names: frozenset[bytes]) -> None:
        """Refuse another host's name and requests of web pages: no package client sends them."""
        hosts = []
        for name, value in self.head.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin" or name.startswith(b"sec-fetch-"):
                raise Refusal(403, Code.BROWSER_REFUSED, "requests of web pages are not served")
        # llhttp leaves the blanks after a value, which do not belong to it (RFC 9112 §5.1)
        if len(hosts) != 1 or hosts[0].rstrip(b" \t").lower() not in host_names:
            sentence = "this listener answers to 127.0.0.1 and localhost only, at its own port"
            raise Refusal(421, Code.WRONG_HOST, sentence)

    async def read_body(self, watched: Watched) -> memoryview:
        """The next piece of the request's body, empty at its end.

        Raises ClientGone if the body ends early, Refusal if it breaks its coding, and WaitEnded.
        """
        if self._body is None:
            self._body = Body(
                self.wire, self.head.length, self.buffer, BODY_SECONDS, watched=watched, is_request=True
            )
        if self._request == "expecting":
            self._request = next_of_request("expecting", "invite")
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            view = await self._body.read()
        except WireClosed as error:
            raise ClientGone from error
        except WireTimeout as error:
            raise Refusal(
                408, Code.SLOW_REQUEST, f"no more of the upload came for {BODY_SECONDS:.0f} s"
            ) from error
        except MalformedHead as error:
            self._request = next_of_request(self._request, "lose")
            raise Refusal(400, Code.BAD_REQUEST, f"the upload's body is malformed: {error}") from error
        self._remaining -= len(view)
        if self._request != "received" and (not view or self._remaining == 0):
            self._request = next_of_request(self._request, "end")
        return view

    def begin(
        self, status: int, reason: bytes, headers: Headers, length: int | None, *, has_body: bool = True
    ) -> bytes:
        """Compose the response's head. The caller sends it together with the first bytes of the body.

        `length` None: unknown. The body is chunked, or for HTTP/1.0 ends with the connection.
        """
        self._response = next_of_response(self._response, "begin")
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
            self._closes = True
        if self._must_close():
            fields.append((b"connection", b"close"))
        return render_response(status, reason, fields)

    async def send(self, head: bytes, view: memoryview | bytes) -> None:
        """Send bytes of the body, with the head in front the first time."""
        if self._response != "sending":
            self._response = next_of_response(self._response, "send")
        self.sent += len(view)
        if view and self._is_chunked:
            await self._send(b"".join((head, b"%x\r\n" % len(view), view, b"\r\n")))
        elif view:
            await self._send(b"".join((head, view)) if head else view)
        elif head:
            await self._send(head)

    async def finish(self) -> None:
        """End the response. Without length and chunks it ends with the connection."""
        self._response = next_of_response(self._response, "finish")
        if self._is_chunked:
            await self._send(b"0\r\n\r\n")

    async def break_off(self) -> None:
        """Reset the connection, so that no client takes a part for the whole.

        A reset drops the bytes that our socket still holds, 4 MiB at most, so the client may take them first.
        Otherwise pip, which resumes, would never get past a place where a file always breaks off.
        """
        self.abandon()
        await self.wire.until_taken(TAKE_SECONDS)
        with contextlib.suppress(OSError):  # closed meanwhile
            self.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def abandon(self) -> None:
        """Send nothing more: the client is gone, or its stream is in an unknown state."""
        self._response = next_of_response(self._response, "break")

    def worded(self, answer: Answer) -> Answer:
        """The answer in words for this client: as it is, for a client in the sidecar's Pod."""
        return answer

    async def answer(self, answer: Answer, extra: Headers | None = None, *, closes: bool = False) -> None:
        """Send an answer of our own in place of a response. `closes`: the connection ends with it."""
        self._response = next_of_response(self._response, "answer")
        self.status = answer.status
        self._closes = self._closes or closes
        is_head = self.head.method == "HEAD"
        await self._send(render_answer(answer, is_head=is_head, closes=self._must_close(), extra=extra))
        self._response = next_of_response("sending", "finish")

    async def drain(self) -> None:
        """Read and drop the rest of the body, so that the client comes to read the answer.

        To close with unread bytes resets the connection (RFC 9112 §9.6), and the answer is lost: twine and uv
        read it only after they have sent everything.
        """
        if self._request != "arriving":
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

    def _must_close(self) -> bool:
        """Decide it for good. Unread bytes of a body would pass for the next request."""
        self._closes = self._closes or self._request != "received"
        return self._closes

    async def _send(self, data: bytes | memoryview) -> None:
        try:
            await self.wire.send(data, SEND_SECONDS)
        except (WireClosed, WireTimeout) as error:
            raise ClientGone from error


def _first_state(head: RequestHead) -> RequestState:
    if head.length == 0:
        return "received"
    # RFC 9110 §10.1.1: a request without content needs no 100, and a client of HTTP/1.0 would take a 100 for
    # the answer
    expects = head.version == "1.1" and has_token(head.headers, b"expect", b"100-continue")
    return "expecting" if expects else "arriving"
