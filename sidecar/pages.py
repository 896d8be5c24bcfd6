"""Index pages on their way to the client: decoded, their links led back here, all while streaming."""

import zlib
from collections.abc import Iterator

from sidecar.client import Exchange
from sidecar.errors import UpstreamBroken
from sidecar.headers import to_client
from sidecar.http1 import find
from sidecar.links import PageLinks, PageRewriter, page_kind
from sidecar.relay import response_body
from sidecar.upstream import Response, Upstream

_PIECE = 256 * 1024  # octets that one step of decompression may yield: a bomb costs time, not memory


def relay_page(exchange: Exchange, response: Response, upstream: Upstream, links: PageLinks) -> None:
    """Send a successful page on. What is no simple index passes unchanged, decoded."""
    kind = page_kind(find(response.head.headers, b"content-type"))
    is_head = exchange.head.method == "HEAD"
    head = exchange.start(
        response.head.status,
        response.head.reason,
        to_client(response.head.headers, is_rewritten=True),
        None,
        has_body=not is_head,
    )
    rewriter = PageRewriter(links, is_json=kind == "json") if kind else None
    for piece in _decoded(exchange, response):
        out = rewriter.feed(piece) if rewriter else piece
        if out:
            exchange.send(head, out)
            head = b""
    exchange.send(head, rewriter.finish() if rewriter else b"")
    exchange.finish()
    upstream.release(response)


def _decoded(exchange: Exchange, response: Response) -> Iterator[bytes]:
    coding = (find(response.head.headers, b"content-encoding") or b"identity").lower()
    pieces = response_body(exchange, response)
    if coding == b"identity":
        for view in pieces:
            yield bytes(view)
    elif coding in (b"gzip", b"x-gzip"):
        yield from _gunzip(pieces) if response.head.length != 0 else ()
    else:
        raise UpstreamBroken("the registry sent the index page in a coding that was not asked for")


def _gunzip(pieces: Iterator[memoryview]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    try:
        for view in pieces:
            data: bytes | memoryview = view
            while data:
                if decoder.eof:  # RFC 1952 §2.2: members follow one another
                    decoder = zlib.decompressobj(wbits=31)
                out = decoder.decompress(data, _PIECE)
                if out:
                    yield out
                data = decoder.unconsumed_tail or decoder.unused_data
    except zlib.error as error:
        raise UpstreamBroken("the registry's index page is no valid gzip") from error
    if not decoder.eof:
        raise UpstreamBroken("the registry's index page ends early")
