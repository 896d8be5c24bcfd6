"""Rewrites the links of an index page (PEP 503 HTML, PEP 691 JSON) while the page streams. Pure.

A page arrives in pieces of any size. The cuts between them do not change the result.
"""

import re
from typing import TYPE_CHECKING

from sidecar.errors import UpstreamBroken
from sidecar.links.page_links import CARRY_LIMIT as CARRY_LIMIT
from sidecar.links.page_links import PageLinks as PageLinks

if TYPE_CHECKING:
    from sidecar.links.html_links import HtmlLinks
    from sidecar.links.json_links import JsonLinks

_HTML_TYPES = ("text/html", "application/vnd.pypi.simple.v1+html")
_JSON_TYPES = ("application/vnd.pypi.simple.v1+json",)
_NO_ASCII = re.compile(r"charset\s*=\s*[\"']?(utf-?(16|32|7)|ucs|iso-10646|iso-2022|hz|cp037|ibm037)")


class PageRewriter:
    """Streams one page: `feed` for each piece, `finish` once."""

    def __init__(self, links: PageLinks, *, is_json: bool) -> None:
        self._page = _page(links, is_json=is_json)
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        ready, self._held = self._page.step(self._held, piece)
        if len(self._held) > CARRY_LIMIT:
            raise UpstreamBroken("the registry's index page has no end of a link in 256 KiB")
        return ready

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return self._page.last(held)


def _page(links: PageLinks, *, is_json: bool) -> "HtmlLinks | JsonLinks":
    """Import with the first page: to compile the patterns takes 5 ms, a tenth of the sidecar's start."""
    if is_json:
        from sidecar.links.json_links import JsonLinks

        return JsonLinks(links)
    from sidecar.links.html_links import HtmlLinks

    return HtmlLinks(links)


def page_kind(content_type: bytes | None) -> str | None:
    """`html` or `json` for the three types of a simple index (PEP 691), None for any other type.

    Also None for a charset that does not contain ASCII: such a page passes unchanged. No registry sends it.
    """
    if content_type is None:
        return None
    essence, _, parameters = content_type.lower().decode("latin-1").partition(";")
    if _NO_ASCII.search(parameters):
        return None
    essence = essence.strip()
    return "html" if essence in _HTML_TYPES else "json" if essence in _JSON_TYPES else None
