"""Relays a registry's response to the client: files unchanged, heads and errors without the credential."""

from sidecar.contract.grant import Credential
from sidecar.errors import ClientGone, UpstreamBroken
from sidecar.exchange.client import Exchange
from sidecar.exchange.redaction import decode, redact, redact_head
from sidecar.exchange.upstream import BODY_SECONDS, Response, Upstream
from sidecar.http.headers import codings, plain_fields, to_client
from sidecar.http.http1 import CHUNKED, MalformedHead, ResponseHead, find, number_of
from sidecar.sockets.bodies import Body
from sidecar.sockets.readiness import WaitEnded, WireTimeout
from sidecar.sockets.wire import WireClosed

ERROR_LIMIT = 64 * 1024
"""Bytes shown of an error's body: enough for any sentence, few enough to search"""

CUT_OFF = b"(the registry's answer breaks off and is not shown)\n"
UNSHOWN = b"(the registry's answer cannot be read and is not shown)\n"
WORDS_SECONDS = 5.0
"""Between two pieces of the words about an upload, whose status is known by then. Arbitrary"""

_SEARCH_MARGIN = 16 * 1024
"""Further bytes that are searched: the cut could halve a credential, in any of its escaped forms"""

_STATUSES = {
    401: 403,  # from storage behind a redirect; a 401 would make pip ask for a password
    407: 502,
    504: 503,  # pip repeats a request after 503, not after 504
}


async def relay(
    exchange: Exchange,
    response: Response,
    upstream: Upstream,
    credential: Credential | None,
    page_mark: bytes | None = None,
) -> None:
    """Forward the response: status and body unchanged, headers without the credential.

    The connection returns to the pool, or is closed.
    """
    if exchange.head.method == "POST":
        await _relay_words(exchange, response, upstream, credential)
        return
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
    status = _STATUSES.get(response.head.status, response.head.status)
    phrase = b"the registry answers %d" % response.head.status
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *plain_fields(response.head.headers)]
    head = exchange.begin(status, phrase, headers, len(phrase) + 1, has_body=not is_head)
    await exchange.send(head, b"" if is_head else phrase + b"\n")
    await exchange.finish()
    await upstream.discard_body(response)


async def _relay_words(
    exchange: Exchange, response: Response, upstream: Upstream, credential: Credential | None
) -> None:
    """Show the registry's words about an upload, which people need, unless they repeat the credential.

    The status stands whatever becomes of the words: if a success passed for a failure, the client would send
    the upload again.
    """
    status = _STATUSES.get(response.head.status, response.head.status)
    try:
        words, is_whole = await _words(exchange, response, credential)
        reason, headers = redact_head(
            response.head.reason, to_client(response.head.headers, is_rewritten=True), credential
        )
    except ClientGone:
        raise
    except Exception:  # noqa: BLE001 (a fault of ours, too, must not hide the status)
        words, is_whole, reason, headers = UNSHOWN, False, b"", []
    has_body = status != 204  # RFC 9112 §6.3
    head = exchange.begin(status, reason, headers, len(words) if has_body else None, has_body=has_body)
    await exchange.send(head, words)
    await exchange.finish()
    if is_whole:
        upstream.release(response)
    else:
        response.wire.close()


async def _words(exchange: Exchange, response: Response, credential: Credential | None) -> tuple[bytes, bool]:
    """The body to show, and whether the registry's was read to its end."""
    body = b""
    pieces = ResponseBody(exchange, response, seconds=WORDS_SECONDS)
    limit = ERROR_LIMIT + _SEARCH_MARGIN
    view = memoryview(b"")
    try:
        while len(body) <= limit and (view := await pieces.read()):
            body += view
    except UpstreamBroken:
        return CUT_OFF, False  # what came could end with half of the credential
    plain = decode(body[:limit], codings(response.head.headers), limit)
    return redact(plain, credential)[:ERROR_LIMIT], not view
