"""The files that a page lists, as far as no other rule lets a client have them. Pure."""

import re
from urllib.parse import quote, urljoin, urlsplit

from sidecar.errors import Refusal
from sidecar.http.origins import target_of
from sidecar.links.page_links import LINK_LIMIT
from sidecar.rules.filenames import archive_of, may_be_archive, projects_named
from sidecar.rules.layout import Layout
from sidecar.rules.scope import is_notable, project_of_page

_ODD = re.compile(r"[^!-~]")
_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))


class Listing:
    """The files of one page."""

    __slots__ = ("_layout", "_local", "_page", "_project", "is_thorough")

    def __init__(self, layout: Layout, project: str, local: str, target: str, *, is_thorough: bool) -> None:
        self._layout = layout
        self._project = project
        self._local = local
        self._page = local + target
        self.is_thorough = is_thorough
        """Look at each link, also at those in scope: a file was asked for that has an odd name"""

    def note(self, link: str, base: str | None = None) -> None:
        """`link`, and the `base` of the page if it has one, as the client sees them.

        Clients take only files of the project from its page.
        """
        if len(link) > LINK_LIMIT or not may_be_archive(link):
            return
        try:
            absolute = _joined(base or self._page, link)
            if not absolute.startswith(f"{self._local}/"):
                return
            target = absolute[len(self._local) :].partition("#")[0]
            if _ODD.search(target):  # clients escape it; surrogates are bytes of a page that nobody decoded
                target = quote(target.encode("utf-8", "surrogateescape"), safe=_AS_IT_IS)
            archive = archive_of(target.partition("?")[0])
            if archive and self._project in projects_named(archive) and is_notable(target, self._layout):
                self._layout.listed.add(self._layout.index_url, target)
        except (ValueError, Refusal):  # no URL, or too long for us: no client gets it
            return


def listing_of(
    layout: Layout, project: str, requested_url: str, final_url: str, local: str, *, is_thorough: bool
) -> Listing | None:
    """None if this page vouches for nothing: a redirect may lead to a page that somebody else has made.

    A request with a query may choose that page, by an open redirect: then only a page in the index counts.
    """
    may_be_declared = "?" not in requested_url
    if not project or project_of_page(final_url, layout, may_be_declared=may_be_declared) != project:
        return None
    return Listing(layout, project, local, target_of(requested_url), is_thorough=is_thorough)


def _joined(base: str, link: str) -> str:
    """As `urljoin`, which drops the empty segments of relative links; uv keeps them (RFC 3986 §5.2)."""
    if link.startswith("/") and "/." not in link and not link.startswith("//"):
        return base[: base.index("/", len("https://"))] + link
    parts = urlsplit(link)
    if not parts.scheme and not parts.netloc and parts.path and not link.startswith("/"):
        link = urlsplit(base).path.rpartition("/")[0] + "/" + link
    return urljoin(base, link)
