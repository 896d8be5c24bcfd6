"""Relays a registry's answer to an upload: its status, and its words unless they repeat the credential."""

from sidecar.contract.grant import Credential
from sidecar.errors import ClientGone, UpstreamBroken
from sidecar.exchange.client import Exchange
from sidecar.exchange.redaction import decode, redact, redact_head
from sidecar.exchange.relay import STATUSES, ResponseBody
from sidecar.exchange.upstream import Response, Upstream
from sidecar.http.headers import codings, to_client

ERROR_LIMIT = 64 * 1024
"""Bytes shown of a body: enough for any sentence, few enough to search"""

CUT_OFF = b"(the registry's answer breaks off and is not shown)\n"
UNSHOWN = b"(the registry's answer cannot be read and is not shown)\n"
WORDS_SECONDS = 5.0
"""Between two pieces of the words about an upload, whose status is known by then. Arbitrary"""

_SEARCH_MARGIN = 16 * 1024
"""Further bytes that are searched: the cut could halve a credential, in any of its escaped forms"""


async def relay_answer(
    exchange: Exchange, response: Response, upstream: Upstream, credential: Credential | None
) -> None:
    """Show the registry's words about an upload, which people need, unless they repeat the credential.

    The status stands whatever becomes of the words: if a success passed for a failure, the client would send
    the upload again.
    """
    status = STATUSES.get(response.head.status, response.head.status)
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
