"""Links of index pages (PEP 503 HTML, PEP 691 JSON), led back through the proxy while the page streams. Pure.

The registry's paths are kept as they are on the local origin, so a relative link needs nothing: only
absolute ones are rewritten, and relative ones where the page was found elsewhere than asked for (a
redirect). Pages are not parsed into a tree: that costs ten times as much, and drops what it does not know.

A page arrives in pieces of any size. Each is cut where no match can cross: in HTML before a `<`, which
stands in no match; in JSON before a brace, likewise. So the result is the same however the page was cut.
"""

import contextlib
import html
import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from sidecar.errors import UpstreamBroken
from sidecar.origins import Origin, origin_of
from sidecar.routes import FOREIGN, Layout

CARRY_LIMIT = 4 * 1024 * 1024
"""Octets held back at most while looking for a place to cut; a page without one this far is no index page"""

_HTML_TYPES = ("text/html", "application/vnd.pypi.simple.v1+html")
_JSON_TYPES = ("application/vnd.pypi.simple.v1+json",)

_VALUE = rb"""(?:"(?P<double>[^"<]*)"|'(?P<single>[^'<]*)'|(?P<bare>[^\s"'<>`=][^\s"'<>`]*))"""
_HTML_LINK = re.compile(
    rb"""(?P<start>(?<=[\s"'/])(?:href|data-provenance)\s*=\s*)""" + _VALUE, re.IGNORECASE
)
_HTML_HREF = re.compile(rb"""(?P<start>href(?<=[\s"'/]href)\s*=\s*)""" + _VALUE)
"""The same for nearly all pages: a pattern that begins with a literal is found four times as fast"""
_TEXT = rb'"(?P<text>[^"\\{}]*(?:\\[^{}][^"\\{}]*)*)"'
_JSON_LINKS = [re.compile(rb'(?P<start>"%b"\s*:\s*)' % key + _TEXT) for key in (b"url", b"provenance")]
_NEITHER_ASCII_NOR_OCTET = re.compile("[^\x00-\x7f\udc80-\udcff]")


class PageLinks(NamedTuple):
    """Rewrites one link of one page."""

    layout: Layout
    requested_url: str
    """The upstream URL that the client believes it is reading"""
    final_url: str
    """Where the page was found"""
    local: str
    """`http://127.0.0.1:PORT`, for the links that must be absolute (PEP 740)"""

    def rewrite(self, link: str, base_url: str | None = None, *, must_be_absolute: bool = False) -> str:
        """The link as the client must see it; unchanged if it already leads here, or nowhere of ours."""
        try:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                if not must_be_absolute and not base_url and self.final_url == self.requested_url:
                    return link
                if not link or link.startswith("#"):
                    return link
            absolute = urlsplit(urljoin(base_url or self.final_url, link))
            prefix = self._local_prefix(origin_of(absolute))
        except ValueError:
            return link
        if prefix is None:
            return link if parts.scheme else absolute.geturl()
        # from the third slash on, as it was written: urlsplit and urljoin keep percent-encodings
        path = prefix + "/" + absolute.path.removeprefix("/")
        path += ("?" + absolute.query if absolute.query else "") + (
            "#" + absolute.fragment if absolute.fragment else ""
        )
        # two slashes at the start would be another host; as an absolute link it is refused here, by name
        return self.local + path if must_be_absolute or path.startswith("//") else path

    def _local_prefix(self, origin: Origin) -> str | None:
        if origin == self.layout.origin:
            return ""
        if self.layout.foreign.get(origin.netloc) == origin:
            return FOREIGN + origin.netloc
        return None

    def prefixes(self) -> Mapping[bytes, bytes]:
        """How nearly all absolute links begin → what replaces it; the rest goes the long way."""
        origins = [self.layout.origin, *self.layout.foreign.values()]
        return {f"{one}/".encode(): f"{self._local_prefix(one)}/".encode() for one in origins}


class PageRewriter:
    """Streams one page: `feed` for each piece, `finish` once."""

    def __init__(self, links: PageLinks, *, is_json: bool) -> None:
        self._carry = b""
        self._is_json = is_json
        self._substitute = _json_substitute(links) if is_json else _HtmlSubstitute(links)

    def feed(self, piece: bytes) -> bytes:
        cut = max(piece.rfind(b"{"), piece.rfind(b"}")) if self._is_json else piece.rfind(b"<")
        if cut < 0:
            self._carry += piece
            if len(self._carry) > CARRY_LIMIT:
                raise UpstreamBroken("the registry's index page has no end of a link in 4 MiB")
            return b""
        ready = self._carry + piece[:cut]
        self._carry = piece[cut:]
        return self._rewrite(ready)

    def finish(self) -> bytes:
        ready, self._carry = self._carry, b""
        return self._rewrite(ready)

    def _rewrite(self, piece: bytes) -> bytes:
        if not self._is_json:
            lowered = piece.lower()
            is_plain = lowered.count(b"href") == piece.count(b"href") and b"data-provenance" not in lowered
            return (_HTML_HREF if is_plain else _HTML_LINK).sub(self._substitute, piece)
        for pattern in _JSON_LINKS:
            piece = pattern.sub(self._substitute, piece)
        return piece


def page_kind(content_type: bytes | None) -> str | None:
    """`html` or `json` for the three types of a simple index (PEP 691), None for anything else."""
    if content_type is None:
        return None
    essence = content_type.split(b";", 1)[0].strip().lower().decode("latin-1")
    return "html" if essence in _HTML_TYPES else "json" if essence in _JSON_TYPES else None


class _HtmlSubstitute:
    """Replaces one attribute."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._prefixes = links.prefixes()
        self._moved = links.final_url != links.requested_url
        self._base_url: str | None = None

    def __call__(self, match: re.Match[bytes]) -> bytes:
        start, double, single, bare = match.groups()
        value = double if double is not None else single if single is not None else bare
        is_link = start[:1] in b"hH"
        rewritten = _plain(value, self._prefixes) if is_link and not self._moved else None
        if rewritten is None:
            rewritten = self._long_way(match, value, is_link=is_link)
        if rewritten == value:
            return match[0]
        quote = b"'" if single is not None else b'"'
        if bare is not None and not re.search(rb"\s", rewritten):
            quote = b""  # it may stand inside another attribute's text
        return start + quote + rewritten + quote

    def _long_way(self, match: re.Match[bytes], value: bytes, *, is_link: bool) -> bytes:
        # octets beyond ASCII pass as they are, whatever the page's charset is
        text = html.unescape(value.decode("ascii", "surrogateescape")).strip()
        new = self._links.rewrite(text, self._base_url, must_be_absolute=not is_link)
        if self._moved and _stands_in_base_tag(match):
            # later relative links are resolved here, so they must follow the page's own base
            with contextlib.suppress(ValueError):  # a base that is no URL counts for nothing
                self._base_url = urljoin(self._links.final_url, text)
        return value if new == text else _escape(new)


def _escape(text: str) -> bytes:
    """An attribute's value; what an entity stood for is one again, in ASCII."""
    escaped = _NEITHER_ASCII_NOR_OCTET.sub(lambda found: f"&#{ord(found[0])};", html.escape(text))
    return escaped.encode("ascii", "surrogateescape")


def _stands_in_base_tag(match: re.Match[bytes]) -> bool:
    tag = match.string.rfind(b"<", 0, match.start())
    return match.string[tag : tag + 5].lower() == b"<base"


def _json_substitute(links: PageLinks) -> Callable[[re.Match[bytes]], bytes]:
    prefixes = links.prefixes()
    moved = links.final_url != links.requested_url

    def substitute(match: re.Match[bytes]) -> bytes:
        start, value = match.groups()
        is_link = start.startswith(b'"url"')
        if is_link and not moved and (plain := _plain(value, prefixes)) is not None:
            return bytes(start + b'"' + plain + b'"')
        try:
            text = json.loads(b'"' + value + b'"', strict=False)
        except ValueError:
            return match[0]
        new = links.rewrite(text, must_be_absolute=not is_link)
        return match[0] if new == text else start + json.dumps(new).encode()

    return substitute


def _plain(value: bytes, prefixes: Mapping[bytes, bytes]) -> bytes | None:
    """The common case without any decoding: a relative link, or a known origin spelled in its plain form."""
    if b"&" in value or b"\\" in value:
        return None
    for prefix, replacement in prefixes.items():
        if value.startswith(prefix) and value[len(prefix) : len(prefix) + 1] != b"/":
            return replacement + value[len(prefix) :]
    return value if value.startswith((b"../", b"./")) else None
