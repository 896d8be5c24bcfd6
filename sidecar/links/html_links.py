"""Rewrites the links of an HTML page (PEP 503) while the page streams. Pure.

The attributes `href` and `data-provenance` of any tag are links. Text, comments and other attributes stay. A
script is read like the rest, as uv reads it. Tags begin and end where pip (html.parser) and uv (tl) see them.
We add a rule: `<a href="` begins a tag everywhere but in a comment or in single quotes. So a page can be cut
there, and a missing quote costs a link and not the rest of the page. The page is not parsed into a tree: that
costs ten times as much, and drops unknown parts.
"""

import re

from sidecar.http.entities import unescape
from sidecar.links.page_links import CARRY_LIMIT, LINK_LIMIT, PageLinks
from sidecar.links.prefixes import SAFE, Prefixes, Shortcut, Swap, outside, unchanged

_ANCHOR = b'<a href="'
_REREAD_LIMIT = 64 * 1024  # bytes that may be read again with each piece

# The parts of a tag; each stops before _ANCHOR. All quantifiers are possessive: no tag is read twice.
_DOUBLE = rb'[^"<]*+(?:<(?!a href=")[^"<]*+)*+'
_BARE = rb"""(?!<a href=")[^\s"'>=][^\s><]*+(?:<(?!a href=")[^\s><]*+)*+"""
_VALUE = rb"""(?>"%b(?:"|(?=<a href="))|'[^']*'|%b|(?=>|<a href="))""" % (_DOUBLE, _BARE)
_NAME = rb'=?+(?:[^\s/>=<]++|<(?!a href="))++'
_ATTRIBUTE = rb"(?>%b(?!\s*=)|%b\s*=+\s*%b|=)" % (_NAME, _NAME, _VALUE)
# The fast path for nearly all tags, such as ` class="x" href="/y"`: the general pattern takes twice as long.
_WELL_WRITTEN = rb"""(?:[^<>"'=]*+=(?:"[^<"]*+"|'[^<']*+'))*+[^<>"'=]*+"""
# Most tags have no attributes, and are skipped.
_NAME_OF_TAG = rb'[a-zA-Z](?:[^\s/><]++|<(?!a href="))*+'
_TOKEN = re.compile(
    rb"<!--(?:-?>|.*?--!?>)"
    rb"|<(?P<name>%b)(?!/>)(?P<attributes>(?=[\s/])(?>%b(?=>)|(?:[\s/]++|%b)*+(?=>|<a href=\")))"
    rb"|(?P<open><(?:!--.*|%b(?:(?!/>)[\s/].*|\Z)|(?:!-?)?\Z))"
    % (_NAME_OF_TAG, _WELL_WRITTEN, _ATTRIBUTE, _NAME_OF_TAG),
    re.DOTALL,
)
"""A comment, a tag up to its end, or the start of either, which the next piece may complete.

    <!-- text -->                    a comment
    <a class="x" href="/y">          a tag: name `a`, attributes ` class="x" href="/y"`
    <a href="/y<a href="/z">         two tags: the first misses its quote, and ends before the second
    <a class="x                      open, at the end of a piece
"""
_NEXT = (
    rb"""["']?+(?:[\s/]++|(?!%%b)%b)*+(?P<key>%%b)\s*=+\s*(?P<quote>["']?)"""
    rb"""(?P<value>(?<=")%b|(?<=')[^']*+|%b)""" % (_ATTRIBUTE, _DOUBLE, _BARE)
)
_KEY, _REL_KEY = (rb"(?i:%b)(?=\s*=)" % name for name in (rb"href|data-provenance", b"rel"))
_LINK = re.compile(_NEXT % (_KEY, _KEY))
"""A tag's attributes, from the end of a link to the end of the next link. The attributes
` class="x" href="/y" data-provenance=/z`, for example, give two matches:

    skipped         key              quote  value
    ` class="x" `   href             "      /y
    `" `            data-provenance         /z
"""
_PREFIX = re.compile(rb"\s*((?:https?:)?//[^\s/?#&@\\]+/)" + SAFE, re.IGNORECASE)
_HOMES = frozenset(("homepage", "download"))
"""Kinds of links that old indexes took from the metadata of a package, whose author chose them (PEP 438)"""
_NEITHER_ASCII_NOR_BYTE = re.compile("[^\x00-\x7f\udc80-\udcff]")

# Other spellings of the two keys, such as `hREF` and `data-Provenance`. A search for a letter is quick, by
# memchr, and the pattern is tried only if the letter is there. `piece.lower()` costs as much as all the rest.
_ODD_LETTERS = {
    b"H": re.compile(rb"H(?i:ref)"),
    b"R": re.compile(rb"R(?i:ef)"),
    b"E": re.compile(rb"E[fF]"),
    b"F": re.compile(rb"F(?<=(?i:href))"),
    b"v": re.compile(rb"v(?i:enance)"),
    b"V": re.compile(rb"V(?i:enance)"),
}


class HtmlLinks:
    """Rewrites one page."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._prefixes = Prefixes(links)
        self._listing = links.listing
        self._is_thorough = self._listing is not None and self._listing.is_thorough
        self._shortcut = _shortcut(links, is_scoped=False)
        if self._listing is not None:
            self._scoped = _shortcut(links, is_scoped=True)
            self._outside = re.compile(_ANCHOR + outside(links))
            self._rel = re.compile(rb"\brel\b", re.IGNORECASE)
        self._enough = 0
        """Bytes to collect before an open tag is read again"""
        self._has_base = False
        self._base_url: str | None = None
        self._client_base: str | None = None
        """The base that the client sees, if the page has any"""
        self._leads_elsewhere = False  # the base is of a host that the Connector does not declare

    def step(self, held: bytes, piece: bytes) -> tuple[bytes, bytes]:
        """Take the bytes held back and a piece. Return the bytes that are ready, and the bytes to hold."""
        if len(held) + len(piece) < self._enough:
            return b"", held + piece
        cut = piece.rfind(_ANCHOR)
        if cut >= 0:
            ready = self._all_plain(held + piece[:cut])
            if ready is not None:
                self._enough = 0
                return ready, piece[cut:]
        ready, rest = self._by_tags(held + piece)
        # a long open tag is read again when it has doubled; with each piece, that would be quadratic
        self._enough = min(2 * len(rest), CARRY_LIMIT) if len(rest) > _REREAD_LIMIT else 0
        return ready, rest

    def last(self, held: bytes) -> bytes:
        ready, open_tag = self._by_tags(held)
        return ready + open_tag

    def _all_plain(self, piece: bytes) -> bytes | None:
        """Fast path: every link is in the usual form. None if that is not sure."""
        if (
            self._leads_elsewhere
            or self._is_thorough
            or b"'" in piece
            or (b"!" in piece and b"<!--" in piece)
        ):
            return None
        if any(letter in piece and name.search(piece) for letter, name in _ODD_LETTERS.items()):
            return None
        at = piece.find(_ANCHOR)
        if self._listing is not None:
            ready = None if self._has_base else self._scoped.apply(piece, at)
            if ready is not None:  # nothing to remember
                return ready
            if self._has_base or self._rel.search(piece):
                return None
        ready = self._shortcut.apply(piece, at, judges=self._base_url is None)
        if self._listing is not None and ready is not None:
            for link in self._outside.findall(ready):
                self._listing.note(unescape(link.decode("ascii", "surrogateescape")).strip())
        return ready

    def _by_tags(self, data: bytes) -> tuple[bytes, bytes]:
        """Rewrite each link of the complete tags. Return them and the open tag at the end."""
        out: list[bytes] = []
        at = 0
        for token in _TOKEN.finditer(data):
            if token.lastgroup == "open":
                return b"".join([*out, data[at : token.start()]]), data[token.start() :]
            position, end = token.span("attributes")
            noted: list[bytes] = []
            while position < end and (link := _LINK.match(data, position, end)):
                position = link.end()
                new = self._rewritten(link, token["name"])
                if self._listing is not None and token["name"] in b"aA":
                    noted += [link["value"] if new is None else new]
                if new is not None:
                    out += (data[at : link.start("value")], new)
                    at = position
            if noted and self._listing is not None and not _leads_home(token["attributes"]):
                for value in noted:
                    link_text = unescape(value.decode("ascii", "surrogateescape"))
                    self._listing.note(link_text.strip("\"' \t\r\n"), self._client_base)
        return b"".join([*out, data[at:]]), b""

    def _rewritten(self, link: re.Match[bytes], tag: bytes) -> bytes | None:
        """The new value; None if the old value stays."""
        key, quote, value = link.groups()
        if len(value) > LINK_LIMIT:
            return b"" if b"@" in value else None
        is_href = key[:1] in b"hH"
        is_base = is_href and tag.lower() == b"base"
        prefix = _PREFIX.match(value)
        if prefix and not is_base:
            must_be_absolute = not is_href or self._leads_elsewhere
            new = self._prefixes.replacement(prefix[1], must_be_absolute=must_be_absolute)
            if new == prefix[1]:
                return None
            new += value[prefix.end() :]
        else:
            # bytes beyond ASCII pass as they are, whatever the page's charset is
            old = unescape(value.decode("ascii", "surrogateescape")).strip()
            text = self._base(old) if is_base else self._whole(old, is_href=is_href)
            if text == old:
                return None
            new = _escape(text)
        return new if quote or not re.search(rb"""[\s"'>]""", new) else b'"%b"' % new

    def _whole(self, link: str, *, is_href: bool) -> str:
        must_be_absolute = not is_href or self._leads_elsewhere
        new = self._links.rewrite(link, self._base_url, must_be_absolute=must_be_absolute)
        if self._leads_elsewhere and not new.startswith(self._links.local + "/"):
            return self._links.without_credential(link)
        return new

    def _base(self, link: str) -> str:
        new = self._links.rewrite_base(link)
        if not self._has_base:  # the first base counts, as for clients
            self._has_base = True
            self._base_url, self._leads_elsewhere = self._links.base_for(link)
            self._client_base = new
        return new


def _leads_home(attributes: bytes) -> bool:
    """Whether the author of a package chose the link. Few pages need this pattern: `re` keeps it."""
    rel = re.match(_NEXT % (_REL_KEY, _REL_KEY), attributes)
    kinds = unescape(rel["value"].decode("latin-1")).lower().split() if rel is not None else ()
    return not _HOMES.isdisjoint(kinds)


def _shortcut(links: PageLinks, *, is_scoped: bool) -> Shortcut:
    """For links that are written as `<a href="`."""
    odd = re.compile(rb'href(?:(?<!<a href)|(?!="%b))' % unchanged(links, is_scoped=is_scoped))
    prefixes = links.prefixes(is_scoped=is_scoped).items()
    return Shortcut(
        [
            Swap.of(before=b"<a ", key=b"href", between=b'="', prefix=prefix, new=new)
            for prefix, new in prefixes
        ],
        odd,
    )


def _escape(text: str) -> bytes:
    """The value of an attribute, in ASCII. Other characters came from entities, and become entities again."""
    import html

    escaped = _NEITHER_ASCII_NOR_BYTE.sub(lambda match: f"&#{ord(match[0])};", html.escape(text))
    return escaped.encode("ascii", "surrogateescape")
