"""Index pages on their way to the client: decoded, their links led back here, all while streaming."""

import zlib
from collections.abc import Iterator

from sidecar.contract.grant import Credential
from sidecar.errors import UpstreamBroken
from sidecar.exchange.client import Exchange
from sidecar.exchange.redaction import redact_head
from sidecar.exchange.relay import ResponseBody
from sidecar.exchange.upstream import Response, Upstream
from sidecar.http.headers import to_client
from sidecar.http.http1 import find
from sidecar.links.rewriting import PageLinks, PageRewriter, page_kind

_PIECE = 64 * 1024
"""Octets of a page that are read, or decompressed, in one step: a bomb costs time, not memory, and many pages
whose readers pause fit into the sidecar's limit"""


async def relay_page(
    exchange: Exchange,
    response: Response,
    upstream: Upstream,
    links: PageLinks,
    credential: Credential | None,
) -> None:
    """Send a successful page on. What is no simple index passes unchanged, decoded."""
    kind = page_kind(find(response.head.headers, b"content-type"))
    is_head = exchange.head.method == "HEAD"
    reason, headers = redact_head(
        response.head.reason,
        to_client(response.head.headers, is_rewritten=True, page_mark=links.layout.mark),
        credential,
    )
    head = exchange.start(response.head.status, reason, headers, None, has_body=not is_head)
    rewriter = PageRewriter(links, is_json=kind == "json") if kind else None
    decoder = _decoder(find(response.head.headers, b"content-encoding"))
    body = ResponseBody(exchange, response, _PIECE)
    while view := await body.read():
        # a copy, for the decoder goes on after others had their turn with the buffer
        for piece in decoder.feed(bytes(view)):
            out = rewriter.feed(piece) if rewriter else piece
            if out:
                await exchange.send(head, out)
                head = b""
            await exchange.wire.give_way()  # what packs well is much to send, and empty members much to read
    if not is_head:
        decoder.finish()
    await exchange.send(head, rewriter.finish() if rewriter else b"")
    await exchange.finish()
    upstream.release(response)


class _Identity:
    """A page that is not compressed."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def finish(self) -> None:
        """It ends where its body does."""


class _Gunzip:
    """A page that came as gzip, which is asked for."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Decompressed octets, at most `_PIECE` at a time. Raises UpstreamBroken if they are no gzip."""
        try:
            while piece:
                if self._decoder.eof:  # RFC 1952 §2.2: members follow one another
                    piece = piece.lstrip(b"\0")  # and gzip(1) takes zeros behind them for padding
                    if not piece:
                        return
                    self._decoder = zlib.decompressobj(wbits=31)
                yield self._decoder.decompress(piece, _PIECE)  # perhaps nothing: members may be empty
                piece = self._decoder.unconsumed_tail or self._decoder.unused_data
        except zlib.error as error:
            raise UpstreamBroken("the registry's index page is no valid gzip") from error

    def finish(self) -> None:
        """Raises UpstreamBroken if the last member is not complete."""
        if not self._decoder.eof:
            raise UpstreamBroken("the registry's index page ends early")


def _decoder(coding: bytes | None) -> _Identity | _Gunzip:
    coding = (coding or b"identity").lower()
    if coding == b"identity":
        return _Identity()
    if coding in (b"gzip", b"x-gzip"):
        return _Gunzip()
    raise UpstreamBroken("the registry sent the index page in a coding that was not asked for")
