"""Relays index pages to the client: decodes them and rewrites their links, all while streaming."""

import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from sidecar.contract.grant import Credential
from sidecar.errors import UpstreamBroken
from sidecar.exchange.client import Exchange
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.redaction import redact_head
from sidecar.exchange.relay import ResponseBody
from sidecar.exchange.upstream import Response, Upstream
from sidecar.http.headers import codings, to_client
from sidecar.http.http1 import find
from sidecar.links.page_links import OnLogin
from sidecar.links.rewriting import PageLinks, PageRewriter, page_kind
from sidecar.rules.filenames import archive_of, projects_named
from sidecar.rules.routes import Route

_PIECE = 64 * 1024
"""Bytes of a page that are read, or decompressed, in a step. A zip bomb then costs time, not memory, and many
pages with slow readers fit into the sidecar's limit"""


def links_of_page(
    registry: GrantedRegistry,
    chosen: Route,
    response: Response,
    local: str,
    on_login: OnLogin,
    *,
    is_thorough: bool = False,
) -> PageLinks:
    """The links of a page that was requested by this route."""

    def note_login(url: str, login: Credential) -> None:
        """Whoever writes links into a page may name a user for files of its project only."""
        archive = archive_of(urlsplit(url).path)
        if archive and chosen.package in projects_named(archive):
            on_login(url, login)

    layout = registry.layout
    listing = None
    if is_thorough or not layout.is_whole_origin:
        from sidecar.links.listing import listing_of  # other pages have no file to note

        listing = listing_of(layout, chosen.package, chosen.url, response.url, local, is_thorough=is_thorough)
    return PageLinks(layout, chosen.url, response.url, local, registry.grant.credential, note_login, listing)


async def relay_page(
    exchange: Exchange,
    response: Response,
    upstream: Upstream,
    links: PageLinks,
) -> None:
    """Relay a successful page. A page that is no simple index passes decoded, otherwise unchanged."""
    kind = page_kind(find(response.head.headers, b"content-type"))
    is_head = exchange.head.method == "HEAD"
    reason, headers = redact_head(
        response.head.reason,
        to_client(response.head.headers, is_rewritten=True, page_mark=links.layout.mark),
        links.credential,
        response.login,
    )
    head = exchange.begin(response.head.status, reason, headers, None, has_body=not is_head)
    rewriter = PageRewriter(links, is_json=kind == "json") if kind else None
    decoder = _decoder(codings(response.head.headers))
    body = ResponseBody(exchange, response, _PIECE)
    while view := await body.read():
        # a copy: other tasks use the buffer before the decoder is done with it
        for piece in decoder.feed(bytes(view)):
            out = rewriter.feed(piece) if rewriter else piece
            if out:
                await exchange.send(head, out)
                head = b""
            await exchange.wire.give_way()  # a small piece may unpack to much, or hold many empty members
    if not is_head:
        decoder.finish()
    await exchange.send(head, rewriter.finish() if rewriter else b"")
    await exchange.finish()
    upstream.release(response)


async def read_page(exchange: Exchange, response: Response, upstream: Upstream, links: PageLinks) -> None:
    """Read a page for its links alone, which `links` may remember."""
    kind = page_kind(find(response.head.headers, b"content-type"))
    if kind is None:
        await upstream.discard_body(response)
        return
    rewriter = PageRewriter(links, is_json=kind == "json")
    decoder = _decoder(codings(response.head.headers))
    body = ResponseBody(exchange, response, _PIECE)
    while view := await body.read():
        for piece in decoder.feed(bytes(view)):
            rewriter.feed(piece)
            await exchange.wire.give_way()
    decoder.finish()
    rewriter.finish()
    upstream.release(response)


class _Identity:
    """A page that is not compressed."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def finish(self) -> None:
        """Nothing to check: the page ends with its body."""


class _Gunzip:
    """A page in gzip, the coding that we ask for."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Decompressed bytes, at most `_PIECE` at a time. Raises UpstreamBroken if the piece is no gzip."""
        try:
            while piece:
                if self._decoder.eof:  # RFC 1952 §2.2: another member may follow
                    piece = piece.lstrip(b"\0")  # gzip(1) takes zeros after a member for padding
                    if not piece:
                        return
                    self._decoder = zlib.decompressobj(wbits=31)
                yield self._decoder.decompress(piece, _PIECE)  # may be empty, as members may be
                piece = self._decoder.unconsumed_tail or self._decoder.unused_data
        except zlib.error as error:
            raise UpstreamBroken("the registry's index page is no valid gzip") from error

    def finish(self) -> None:
        """Raises UpstreamBroken if the last member is incomplete."""
        if not self._decoder.eof:
            raise UpstreamBroken("the registry's index page ends early")


def _decoder(applied: list[bytes]) -> _Identity | _Gunzip:
    if not applied:
        return _Identity()
    from sidecar.contract.codings import GZIP

    if applied in GZIP:
        return _Gunzip()
    names = b", ".join(applied).decode("ascii")  # each is one of `CODINGS`
    raise UpstreamBroken(f"the registry sent the index page in a coding that was not asked for: {names}")
