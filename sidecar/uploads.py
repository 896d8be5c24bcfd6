"""Uploads: streamed to the registry in constant memory, never redirected, never sent twice."""

from typing import NoReturn

from sidecar.client import Exchange
from sidecar.connections import closing_on_error
from sidecar.contract import Credential, Grant
from sidecar.errors import ClientGone, CredentialRenewed, UpstreamBroken, UpstreamUnreachable
from sidecar.grants import Grants
from sidecar.http1 import CHUNKED, HEAD_LIMIT, MalformedHead, ResponseHead, ResponseReader, find
from sidecar.redaction import redact
from sidecar.refusals import refusal_of
from sidecar.relay import relay
from sidecar.upstream import SEND_SECONDS, Response, Upstream, read_response_head
from sidecar.wire import WatchedClosed, Wire, WireClosed, WireTimeout

ANSWER_SECONDS = 300.0
"""From the last octet to the answer: registries scan and index before they say yes; uv waits 900 s"""


async def send_upload(
    exchange: Exchange, url: str, grant: Grant, grants: Grants, upstream: Upstream, connector: str
) -> None:
    """Stream one upload and relay the registry's answer."""
    is_chunked = exchange.head.length == CHUNKED
    length = (
        (b"transfer-encoding", b"chunked")
        if is_chunked
        else (b"content-length", b"%d" % exchange.head.length)
    )
    wire = await upstream.open_upload(url, exchange.head.headers, grant, length)
    with closing_on_error(wire):
        await _stream(exchange, wire, is_chunked=is_chunked)
        head = await read_response_head(wire, "POST", ANSWER_SECONDS, exchange.wire)
        if head.status in (401, 403):
            # if this returns, it is a 403 in the registry's own words
            await _refuse_credential(head.status, grant, grants, connector)
        if 300 <= head.status < 400:
            _refuse_redirect(head, grant.credential)
        await relay(exchange, Response(head, url, wire, None), upstream, grant.credential)


async def _stream(exchange: Exchange, wire: Wire, *, is_chunked: bool) -> None:
    """Send the body until its end, or until the registry answers early (it has seen enough, or too much)."""
    answer = _Answer(wire)
    try:
        while view := await exchange.read_body(answer):
            data = b"".join((b"%x\r\n" % len(view), view, b"\r\n")) if is_chunked else view
            if not await _send_unless_answered(wire, memoryview(data), exchange.wire, answer):
                return
        if is_chunked:
            await _send_unless_answered(wire, memoryview(b"0\r\n\r\n"), exchange.wire, answer)
    except WatchedClosed:  # the client paused, and the registry did not wait for it
        return
    finally:
        answer.give_back()


class _Answer:
    """A registry's answer, or its leaving, before the end of an upload."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._begun = b""
        """Of a head that has not come whole"""
        self._room = HEAD_LIMIT
        self._has_come = False

    @property
    def is_gone(self) -> bool:
        """Whether it has come. Interim answers (RFC 9110 §15.2) are passed over, with room for one head."""
        while not self._has_come and self._wire.has_arrived():
            data, self._wire.ahead = self._wire.ahead, b""
            self._begun += data
            self._has_come = not data or self._is_final()
        if self._has_come:
            self.give_back()
        return self._has_come

    def give_back(self) -> None:
        """Have what has come read once more, by whoever reads the answer."""
        self._wire.ahead = self._begun + self._wire.ahead
        self._begun = b""

    def _is_final(self) -> bool:
        try:
            while self._begun:
                reader = ResponseReader("POST")
                rest = reader.feed(self._begun)
                if rest is None:
                    return False
                self._room -= reader.size
                if reader.head().status >= 200 or self._room <= 0:
                    return True
                self._begun = rest
        except MalformedHead:
            return True
        return False


async def _send_unless_answered(wire: Wire, view: memoryview, client: Wire, answer: _Answer) -> bool:
    """Send all of the view; False if an answer, or the end, comes first."""
    is_ours = False
    try:
        while not answer.is_gone:
            sent = wire.send_some(view)
            if sent == len(view):
                return True
            view = view[sent:]
            if not is_ours:  # the buffer that it lies in belongs to all tasks
                view, is_ours = memoryview(bytes(view)), True
            await wire.until_movable(SEND_SECONDS, client)
    except WireTimeout as error:
        raise UpstreamUnreachable(
            f"the registry takes no more of the upload for {SEND_SECONDS:.0f} s"
        ) from error
    except WatchedClosed as error:
        raise ClientGone from error
    except WireClosed:
        pass  # it may have said why before it closed
    return False


async def _refuse_credential(status: int, grant: Grant, grants: Grants, connector: str) -> None:
    """The credential may have been rotated. The body is gone, so the client is asked to send it again."""
    newer = await grants.renew(grant, "upload", is_rejected=status == 401) if grant.credential else None
    if newer is not None:
        raise CredentialRenewed
    if status == 401:
        raise refusal_of(status, grant, connector)


def _refuse_redirect(head: ResponseHead, credential: Credential | None) -> NoReturn:
    location = redact(find(head.headers, b"location") or b"elsewhere", credential).decode("latin-1")
    raise UpstreamBroken(
        f"the registry redirects the upload to {location.partition('?')[0]}: name that address in the "
        "Connector, as addressExtensions upload"
    )
