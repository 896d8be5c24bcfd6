"""Links of an HTML page (PEP 503), led back through the proxy while the page streams. Pure.

The attributes `href` and `data-provenance` of any tag are links; text, comments and other attributes stay.
A script is read like the rest, for so does uv. Tags are found as pip (html.parser) and uv (tl) find them,
with one rule more: `<a href="` begins a tag wherever it stands but in a comment or in single quotes. So a
page can be cut there, and a forgotten quote costs one link and not the rest of the page. The page is not
parsed into a tree: that costs ten times as much, and drops what it does not know.
"""

import re

from sidecar.links.page_links import CARRY_LIMIT, PageLinks
from sidecar.links.prefixes import SAFE, Begins, Swap, swapped, untouched

_ANCHOR = b'<a href="'
_CHEAP = 64 * 1024  # octets that may be read again with each piece

# The parts of a tag; each stops before _ANCHOR. All is possessive: a tag is read once, whatever stands in it.
_DOUBLE = rb'[^"<]*+(?:<(?!a href=")[^"<]*+)*+'
_BARE = rb"""(?!<a href=")[^\s"'>=][^\s><]*+(?:<(?!a href=")[^\s><]*+)*+"""
_VALUE = rb"""(?>"%b(?:"|(?=<a href="))|'[^']*'|%b|(?=>|<a href="))""" % (_DOUBLE, _BARE)
_NAME = rb'=?+(?:[^\s/>=<]++|<(?!a href="))++'
_ATTRIBUTE = rb"(?>%b(?!\s*=)|%b\s*=+\s*%b|=)" % (_NAME, _NAME, _VALUE)
# Nearly all tags are written so; the general pattern takes twice as long for them.
_WELL_WRITTEN = rb"""(?:[^<>"'=]*+=(?:"[^<"]*+"|'[^<']*+'))*+[^<>"'=]*+"""
# A tag without attributes, as most are, is none to look at.
_NAME_OF_TAG = rb'[a-zA-Z](?:[^\s/><]++|<(?!a href="))*+'
_TOKEN = re.compile(
    rb"<!--(?:-?>|.*?--!?>)"
    rb"|<(?P<name>%b)(?!/>)(?P<attributes>(?=[\s/])(?>%b(?=>)|(?:[\s/]++|%b)*+(?=>|<a href=\")))"
    rb"|(?P<open><(?:!--.*|%b(?:(?!/>)[\s/].*|\Z)|(?:!-?)?\Z))"
    % (_NAME_OF_TAG, _WELL_WRITTEN, _ATTRIBUTE, _NAME_OF_TAG),
    re.DOTALL,
)
"""A comment, a tag up to its end, or what may become one of them when more arrives"""
_KEY = rb"(?i:href|data-provenance)(?=\s*=)"
_LINK = re.compile(
    rb"""["']?+(?:[\s/]++|(?!%b)%b)*+(?P<key>%b)\s*=+\s*(?P<quote>["']?)"""
    rb"""(?P<value>(?<=")%b|(?<=')[^']*+|%b)""" % (_KEY, _ATTRIBUTE, _KEY, _DOUBLE, _BARE)
)
"""A tag's attributes, from the end of the link before up to the end of the next"""
_BEGIN = re.compile(rb"\s*((?:https?:)?//[^\s/?#&\\]+/)" + SAFE, re.IGNORECASE)
_NEITHER_ASCII_NOR_OCTET = re.compile("[^\x00-\x7f\udc80-\udcff]")

# Other spellings of the two names. Their letter is looked for by memchr, and the pattern only where it
# stands; `piece.lower()` costs as much as all the rest together.
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
        self._begins = Begins(links)
        self._enough = 0
        self._has_base = False
        self._base_url: str | None = None
        self._leads_elsewhere = False  # the base, to a host that nobody declared
        self._odd = re.compile(rb'href(?:(?<!<a href)|(?!="%b))' % untouched(links))
        self._swaps = [
            Swap.of(before=b"<a ", key=b"href", between=b'="', begin=begin, new=new)
            for begin, new in links.plain().items()
        ]

    def step(self, held: bytes, piece: bytes) -> tuple[bytes, bytes]:
        """What is ready of the piece and what was held back, and what must be held back now."""
        if len(held) + len(piece) < self._enough:
            return b"", held + piece
        cut = piece.rfind(_ANCHOR)
        if cut >= 0:
            ready = self._all_plain(held + piece[:cut])
            if ready is not None:
                self._enough = 0
                return ready, piece[cut:]
        ready, rest = self._by_tags(held + piece)
        # a long open tag is read again when it has doubled, not with each piece: or that would be quadratic
        self._enough = min(2 * len(rest), CARRY_LIMIT) if len(rest) > _CHEAP else 0
        return ready, rest

    def last(self, held: bytes) -> bytes:
        ready, open_tag = self._by_tags(held)
        return ready + open_tag

    def _all_plain(self, piece: bytes) -> bytes | None:
        """The nearly usual case, without a look at each tag; None where there is more to see."""
        if self._leads_elsewhere or b"'" in piece or (b"!" in piece and b"<!--" in piece):
            return None
        if any(letter in piece and name.search(piece) for letter, name in _ODD_LETTERS.items()):
            return None
        odd = None if self._base_url else self._odd
        return swapped(piece, piece.find(_ANCHOR), self._swaps, odd)

    def _by_tags(self, data: bytes) -> tuple[bytes, bytes]:
        """Each link by itself, as far as the tags are complete; and the rest."""
        out: list[bytes] = []
        at = 0
        for token in _TOKEN.finditer(data):
            if token.lastgroup == "open":
                return b"".join([*out, data[at : token.start()]]), data[token.start() :]
            position, end = token.span("attributes")
            while position < end and (link := _LINK.match(data, position, end)):
                position = link.end()
                new = self._rewritten(link, token["name"])
                if new is not None:
                    out += (data[at : link.start("value")], new)
                    at = position
        return b"".join([*out, data[at:]]), b""

    def _rewritten(self, link: re.Match[bytes], tag: bytes) -> bytes | None:
        """What to write instead of the value; None if it stays."""
        key, quote, value = link.groups()
        is_href = key[:1] in b"hH"
        is_base = is_href and tag.lower() == b"base"
        begin = _BEGIN.match(value)
        if begin and not is_base:
            must_be_absolute = not is_href or self._leads_elsewhere
            new = self._begins.replacement(begin[1], must_be_absolute=must_be_absolute)
            if new == begin[1]:
                return None
            new += value[begin.end() :]
        else:
            # octets beyond ASCII pass as they are, whatever the page's charset is
            old = _unescape(value.decode("ascii", "surrogateescape")).strip()
            text = self._base(old) if is_base else self._other(old, is_href=is_href)
            if text == old:
                return None
            new = _escape(text)
        return new if quote or not re.search(rb"""[\s"'>]""", new) else b'"%b"' % new

    def _other(self, link: str, *, is_href: bool) -> str:
        must_be_absolute = not is_href or self._leads_elsewhere
        new = self._links.rewrite(link, self._base_url, must_be_absolute=must_be_absolute)
        return link if self._leads_elsewhere and not new.startswith(self._links.local + "/") else new

    def _base(self, link: str) -> str:
        new = self._links.rewrite_base(link)
        if not self._has_base:  # as clients do, the first one counts
            self._has_base = True
            self._base_url, self._leads_elsewhere = self._links.base_for(link)
        return new


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    import html  # half a MiB for its table of entities, and few pages need it

    return html.unescape(text)


def _escape(text: str) -> bytes:
    """An attribute's value; what an entity stood for is one again, in ASCII."""
    import html

    escaped = _NEITHER_ASCII_NOR_OCTET.sub(lambda found: f"&#{ord(found[0])};", html.escape(text))
    return escaped.encode("ascii", "surrogateescape")
