"""Uploads: streamed to the registry in constant memory, never redirected, never sent twice."""

from typing import TYPE_CHECKING, NoReturn

from sidecar.contract.grant import Credential
from sidecar.contract.origins import declared_as, origin_of
from sidecar.errors import ClientGone, UploadUnconfirmed, UpstreamBroken, UpstreamUnreachable
from sidecar.exchange.client import Exchange
from sidecar.exchange.redaction import redact
from sidecar.exchange.upstream import SEND_SECONDS, read_response_head
from sidecar.http.http1 import (
    ANSWER_HEAD_LIMIT,
    CHUNKED,
    MalformedHead,
    ResponseHead,
    find,
)
from sidecar.http.registry_heads import RegistryReader
from sidecar.sockets.readiness import WaitEnded, WireTimeout
from sidecar.sockets.wire import Wire, WireClosed

if TYPE_CHECKING:
    from sidecar.exchange.forms import Form

ANSWER_SECONDS = 300.0
"""From the last byte to the response: registries scan and index before they accept; uv waits 900 s"""


async def send_upload(exchange: Exchange, wire: Wire, form: "Form") -> ResponseHead:
    """Stream an upload over the connection that took its head. Returns the head of the response.

    Raises Refusal if the form is wrong: the caller then closes the connection, before the end of the body.
    Raises UploadUnconfirmed if the registry got all of it, and gave no answer that can be read. Or if it told
    a success before: this ends the sending, and the end of the form is always sent last.
    """
    is_whole = await _stream(exchange, wire, form)
    try:
        head = await read_response_head(wire, "POST", ANSWER_SECONDS, exchange.wire, is_sent=is_whole)
    except (UpstreamBroken, UpstreamUnreachable) as error:
        if not is_whole:
            raise
        raise UploadUnconfirmed(
            f"{error}. It got the whole upload, and may have taken it: look there before you send it again"
        ) from error
    if not is_whole and head.status < 300:
        raise UploadUnconfirmed(
            f"the registry answers {head.status} before it got the whole upload, and may have taken it: "
            "look there before you send it again"
        )
    return head


async def _stream(exchange: Exchange, wire: Wire, form: "Form") -> bool:
    """Send the body until its end, or until the registry responds early, for instance with a 413.

    Returns whether all of it was sent.
    """
    is_chunked = exchange.head.length == CHUNKED
    response = _EarlyResponse(wire)
    try:
        while view := await exchange.read_body(response):
            if data := form.feed(view):
                data = _chunk(data) if is_chunked else data
                if not await _send_unless_answered(wire, memoryview(data), exchange.wire, response):
                    return False
        data = _chunk(form.finish()) + b"0\r\n\r\n" if is_chunked else form.finish()
        is_sent = await _send_unless_answered(wire, memoryview(data), exchange.wire, response)
        return is_sent or not data
    except WaitEnded:  # the registry responded while the client paused
        return False
    finally:
        response.give_back()


def _chunk(data: bytes | memoryview) -> bytes:
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n"))


class _EarlyResponse:
    """A registry's response, or the end of its connection, before the end of an upload."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._begun = bytearray()
        """The part of a head that has come"""
        self._reader = RegistryReader("POST")
        """Of that head. It goes on with each arrival: to begin anew would cost the whole head each time"""
        self._room = ANSWER_HEAD_LIMIT
        self._has_come = False

    @property
    def ends_wait(self) -> bool:
        """As `Watched`: once the response has come, no wait for the client goes on."""
        return self.has_come()

    def has_come(self) -> bool:
        """Look for a final response. Interim ones (RFC 9110 §15.2) are skipped, up to the limit of a head."""
        while not self._has_come and self._wire.has_arrived():
            data = self._wire.take_ahead()
            self._begun += data
            self._has_come = not data or self._is_final(data)
        if self._has_come:
            self.give_back()
        return self._has_come

    def give_back(self) -> None:
        """Give the bytes back to the connection, for the reader of the response."""
        self._wire.give_back(bytes(self._begun))
        self._begun.clear()

    def _is_final(self, data: bytes) -> bool:
        try:
            while data:
                rest = self._reader.feed(data)
                if rest is None:
                    return False
                self._room -= self._reader.size
                if self._reader.head().status >= 200 or self._room <= 0:
                    return True
                self._begun = bytearray(rest)
                self._reader, data = RegistryReader("POST"), rest
        except MalformedHead:
            return True
        return False


async def _send_unless_answered(wire: Wire, view: memoryview, client: Wire, response: _EarlyResponse) -> bool:
    """Send all of the view; False if a response, or the end, comes first."""
    is_ours = False
    try:
        while not response.has_come():
            sent = wire.send_some(view)
            if sent == len(view):
                return True
            view = view[sent:]
            if not is_ours:  # all tasks share the buffer that it lies in
                view, is_ours = memoryview(bytes(view)), True
            await wire.until_movable(SEND_SECONDS, client)
    except WireTimeout as error:
        raise UpstreamUnreachable(
            f"the registry takes no more of the upload for {SEND_SECONDS:.0f} s"
        ) from error
    except WaitEnded as error:
        raise ClientGone from error
    except WireClosed:
        pass  # a response may have come before the end
    return False


def refuse_redirect(head: ResponseHead, url: str, credential: Credential | None) -> NoReturn:
    """Raises UpstreamBroken. No upload is sent twice, so it follows no redirect. `url`: where it was sent."""
    from sidecar.exchange.redirects import resolved  # few uploads are redirected

    location = find(head.headers, b"location")
    try:
        parts = resolved(url, location) if location else None
        place = f"{declared_as(origin_of(parts), [origin_of(url)])}{parts.path}" if parts else "elsewhere"
        shown = redact(place.encode(), credential).decode()
    except ValueError:
        parts, place, shown = None, "elsewhere", "elsewhere"
    is_in_clear = parts is not None and parts.scheme == "http" and url.startswith("https:")
    if is_in_clear and place == url.partition("?")[0]:
        advice = "its own address: tell the registry that clients reach it by https"
    elif is_in_clear and place.startswith("http:"):
        advice = f"{shown}, without TLS"
    else:
        advice = f"{shown}: name that address in the Connector, as addressExtensions upload"
    raise UpstreamBroken(f"the registry redirects the upload to {advice}")
