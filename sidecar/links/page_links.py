"""One link of an index page, led back through the proxy. Pure.

The registry's paths are kept as they are on the local origin, so a relative link needs nothing: only
absolute ones are rewritten, and relative ones where the page was found elsewhere than asked for (a
redirect), or names another origin as its base.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from sidecar.http.origins import Origin, origin_of
from sidecar.rules.routes import FOREIGN, Layout

CARRY_LIMIT = 256 * 1024
"""Octets held back at most while looking for a place to cut; a page without one this far is no index page.
Each of the pages under way may hold so much, and uv asks for 50 at once"""
_DROPPED = str.maketrans("", "", "\t\r\n")  # anywhere in a link (WHATWG URL §4.4), as urlsplit does


class PageLinks(NamedTuple):
    """Rewrites the links of one page."""

    layout: Layout
    requested_url: str
    """The upstream URL that the client believes it is reading"""
    final_url: str
    """Where the page was found"""
    local: str
    """`http://127.0.0.1:PORT`, for the links that must be absolute (PEP 740, a page's base)"""

    @property
    def has_moved(self) -> bool:
        return self.final_url != self.requested_url

    def rewrite(self, link: str, base_url: str | None = None, *, must_be_absolute: bool = False) -> str:
        """The link as the client must see it; unchanged if it already leads here, or nowhere of ours."""
        try:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                if not must_be_absolute and not base_url and not self.has_moved:
                    return link
                if not link or link.startswith("#"):
                    return link
            whole = link if parts.netloc else urljoin(base_url or self.final_url, link)
            absolute = urlsplit(urljoin(self.final_url, whole))
            prefix = self._local_prefix(origin_of(absolute))
        except ValueError:
            return link
        if prefix is None:
            return link if parts.scheme else absolute.geturl()
        path = prefix + _from_the_path_on(whole, absolute)
        # two slashes at the start would be another host; as an absolute link it is refused here, by name
        return self.local + path if must_be_absolute or path[1:2] in ("/", "\\") else path

    def rewrite_base(self, link: str) -> str:
        """A page's base. Absolute, for neither pip nor uv resolves it; a relative one is no use to them."""
        new = self.rewrite(link)
        return self.local + new if new != link and new.startswith("/") else new

    def base_for(self, base: str) -> tuple[str | None, bool]:
        """What relative links are resolved against here, if not by the client; does it lead elsewhere?"""
        try:
            url = urljoin(self.final_url, base)
            prefix = self._local_prefix(origin_of(url))
        except ValueError:  # a base that is no URL counts for nothing
            return None, False
        return url if self.has_moved or prefix != "" else None, prefix is None

    def _local_prefix(self, origin: Origin) -> str | None:
        if origin == self.layout.origin:
            return ""
        if self.layout.foreign.get(origin.netloc) == origin:
            return FOREIGN + origin.netloc
        return None

    @property
    def origins(self) -> list[Origin]:
        """Those that lead back here."""
        return [self.layout.origin, *self.layout.foreign.values()]

    def plain(self) -> Mapping[bytes, bytes]:
        """How nearly all absolute links begin, each with what replaces it."""
        return {f"{one}/".encode(): f"{self._local_prefix(one)}/".encode() for one in self.origins}


def _from_the_path_on(link: str, absolute: SplitResult) -> str:
    """As it was written: urlunsplit would drop an empty query."""
    rest = link.translate(_DROPPED).partition("//")[2].removeprefix(absolute.netloc)
    return rest if rest.startswith("/") else "/" + rest
