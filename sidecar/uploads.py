"""Uploads: streamed to the registry in constant memory, never redirected, never sent twice."""

import select
from typing import NoReturn

from sidecar.client import Exchange
from sidecar.connections import closing_on_error
from sidecar.contract import Grant
from sidecar.errors import Refusal, UpstreamBroken, UpstreamUnreachable
from sidecar.grants import GrantStore
from sidecar.http1 import CHUNKED, ResponseHead, find
from sidecar.refusals import refusal_of
from sidecar.relay import relay
from sidecar.upstream import SEND_SECONDS, Response, Upstream, read_response_head
from sidecar.wire import Wire, WireClosed, WireTimeout

ANSWER_SECONDS = 300.0
"""From the last octet to the answer: registries scan and index before they say yes; uv waits 900 s"""


def send_upload(
    exchange: Exchange, url: str, grant: Grant, grants: GrantStore, upstream: Upstream, connector: str
) -> None:
    """Stream one upload and relay the registry's answer."""
    is_chunked = exchange.head.length == CHUNKED
    length = (
        (b"transfer-encoding", b"chunked")
        if is_chunked
        else (b"content-length", find(exchange.head.headers, b"content-length") or b"0")
    )
    wire = upstream.open_upload(url, exchange.head.headers, grant, length)
    with closing_on_error(wire):
        _stream(exchange, wire, is_chunked=is_chunked)
        head = read_response_head(wire, "POST", ANSWER_SECONDS, exchange.wire)
        if head.status in (401, 403):
            _refuse_credential(head.status, grant, grants, connector)  # a 403 in the registry's own words
        if 300 <= head.status < 400:
            _refuse_redirect(head)
        relay(exchange, Response(head, url, wire, None), upstream, grant.credential)


def _stream(exchange: Exchange, wire: Wire, *, is_chunked: bool) -> None:
    """Send the body until its end, or until the registry answers early (it has seen enough, or too much)."""
    for view in exchange.read_body():
        data = b"".join((b"%x\r\n" % len(view), view, b"\r\n")) if is_chunked else view
        if not _send_unless_answered(wire, memoryview(data)):
            return
    if is_chunked:
        _send_unless_answered(wire, memoryview(b"0\r\n\r\n"))


def _send_unless_answered(wire: Wire, view: memoryview) -> bool:
    """Send all of the view; False if an answer, or the end, comes first."""
    try:
        while True:
            if wire.has_arrived():
                return False
            sent = wire.send_some(view)
            if sent == len(view):
                return True
            view = view[sent:]
            wire.wait(select.POLLIN | select.POLLOUT, SEND_SECONDS)
    except WireTimeout as error:
        raise UpstreamUnreachable(
            f"the registry takes no more of the upload for {SEND_SECONDS:.0f} s"
        ) from error
    except WireClosed:
        return False  # it may have said why before it closed


def _refuse_credential(status: int, grant: Grant, grants: GrantStore, connector: str) -> None:
    """The credential may have been rotated. The body is gone, so the client is asked to send it again."""
    newer = (
        grants.renew(grant, rejected_for="upload" if status == 401 else None) if grant.credential else None
    )
    if newer is not None:
        sentence = "the registry's credential was renewed: send the upload again"
        raise Refusal(503, "credential-renewed", sentence, retry_after=1)
    if status == 401:
        raise refusal_of(status, grant, connector)


def _refuse_redirect(head: ResponseHead) -> NoReturn:
    location = (find(head.headers, b"location") or b"elsewhere").decode("latin-1")
    raise UpstreamBroken(
        f"the registry redirects the upload to {location.partition('?')[0]}: name that address in the "
        "Connector, as addressExtensions upload"
    )
