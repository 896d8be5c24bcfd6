"""Relays a registry's response to the client: files unchanged, heads and errors without the credential."""

from sidecar.contract.grant import Credential
from sidecar.errors import ClientGone, UpstreamBroken
from sidecar.exchange.client import Exchange
from sidecar.exchange.redaction import redact_head
from sidecar.exchange.upstream import BODY_SECONDS, Response, Upstream
from sidecar.http.headers import plain_fields, to_client
from sidecar.http.http1 import CHUNKED, MalformedHead, ResponseHead, find, number_of
from sidecar.sockets.bodies import Body
from sidecar.sockets.readiness import WaitEnded, WireTimeout
from sidecar.sockets.wire import WireClosed

STATUSES = {
    401: 403,  # from storage behind a redirect; a 401 would make pip ask for a password
    407: 502,
    504: 503,  # pip repeats a request after 503, not after 504
}
"""A registry's status → the client's, where they differ"""


async def relay(
    exchange: Exchange,
    response: Response,
    upstream: Upstream,
    credential: Credential | None,
    page_mark: bytes | None = None,
) -> None:
    """Forward the response to GET or HEAD: status and body unchanged, headers without the credential.

    The connection returns to the pool, or is closed.
    """
    if response.head.status >= 400:
        await _replace_error(exchange, response, upstream)
        return
    length = response.head.length if response.head.length >= 0 else None
    has_body = length != 0
    if not has_body:
        length = _announced_length(response)
    reason, headers = redact_head(
        response.head.reason,
        to_client(response.head.headers, is_rewritten=False, page_mark=page_mark),
        credential,
        response.login,
    )
    head = exchange.begin(response.head.status, reason, headers, length, has_body=has_body)
    body = ResponseBody(exchange, response)
    while view := await body.read():
        await exchange.send(head, view)
        head = b""
    if head:
        await exchange.send(head, b"")
    await exchange.finish()
    upstream.release(response)


class ResponseBody:
    """A registry's response body on its way to the client that asked for it."""

    def __init__(
        self,
        exchange: Exchange,
        response: Response,
        piece: int | None = None,
        seconds: float = BODY_SECONDS,
    ) -> None:
        """`piece`: the most bytes of a read. `seconds`: the longest pause between two."""
        self._seconds = seconds
        buffer = exchange.buffer[:piece]
        head = response.head
        self._body = Body(
            response.wire, head.length, buffer, seconds, watched=exchange.wire, behind=head.behind
        )
        self._left = _length_beside_chunks(response.head) if response.head.length == CHUNKED else None

    async def read(self) -> memoryview:
        """The next piece, empty at the end. Raises ClientGone or UpstreamBroken if a side breaks off."""
        try:
            view = await self._body.read()
        except WaitEnded as error:
            raise ClientGone from error
        except WireTimeout as error:
            raise UpstreamBroken(f"the registry sent nothing more for {self._seconds:.0f} s") from error
        except (WireClosed, MalformedHead) as error:
            raise UpstreamBroken(f"the registry broke off: {error}") from error
        if self._left is not None:
            self._left -= len(view)
            if self._left < 0 or (self._left and not view):
                raise UpstreamBroken("the registry's answer has two lengths")
        return view


def _length_beside_chunks(head: ResponseHead) -> int | None:
    """Content-Length of a chunked answer. Clients go by the chunks (RFC 9112 §6.3), others may go by this."""
    length = find(head.headers, b"content-length")
    return None if length is None else number_of(length)


def _announced_length(response: Response) -> int | None:
    """Content-Length of a response without a body: 0, or after HEAD the length of a GET's body.

    Without it the client waits for the end of a persistent connection: Gitea answers uploads with a bare 201.
    """
    if response.head.status in (204, 304):  # these end with their head (RFC 9112 §6.3)
        return None
    length = find(response.head.headers, b"content-length")
    return None if length is None else number_of(length)


async def _replace_error(exchange: Exchange, response: Response, upstream: Upstream) -> None:
    """Answer GET or HEAD with the error's status, and with nothing else of the registry's.

    Many error pages quote the request. If a page were hidden because it holds the credential, a client could
    put guesses into its requests and learn which is right. No package client shows these pages.
    """
    is_head = exchange.head.method == "HEAD"
    status = STATUSES.get(response.head.status, response.head.status)
    phrase = b"the registry answers %d" % response.head.status
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *plain_fields(response.head.headers)]
    head = exchange.begin(status, phrase, headers, len(phrase) + 1, has_body=not is_head)
    await exchange.send(head, b"" if is_head else phrase + b"\n")
    await exchange.finish()
    await upstream.discard_body(response)
