"""Links of a JSON page (PEP 691), led back through the proxy while the page streams. Pure.

Members called `url` or `provenance` are links, in unknown objects too: what leads to the registry is of no
use to a client but through the proxy. All else stays octet by octet, in its order.

A page is cut before a brace, or behind a text in a long list (PEP 700 `versions`). None stands in the begin
of a link; a link that is not plain and has one in its path stays, for the proxy refuses such a path anyway.
"""

import json
import re

from sidecar.links.page_links import PageLinks
from sidecar.links.prefixes import SAFE, Begins, Swap, swapped, untouched

_VALUE = (
    rb'\s*:\s*")(?:(?P<begin>(?:(?i:https?):)?(?://|\\/\\/)[^\s/?#&"{}\\]+\\?/)'
    + SAFE
    + rb'|(?P<text>[^"\\{}]*+(?:\\[^{}][^"\\{}]*+)*+)")'
)
_KEYS = (b"url", b"provenance")
# After a backslash a quotation mark is part of a text, and begins no key. That is looked at last where
# it can be, since a pattern that begins with a literal is found four times as fast.
_LINKS = [re.compile(rb'(?P<start>"%b"(?<!\\"%b")' % (key, key) + _VALUE) for key in _KEYS]
_SPELLED = [b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in key) for key in _KEYS]
_ESCAPED_LINKS = [re.compile(rb'(?P<start>"(?<!\\")%b"' % key + _VALUE) for key in _SPELLED]
_LONG = 64 * 1024
_END_OF_TEXT = b'",'
_BACKSLASH = 0x5C


class JsonLinks:
    """Rewrites one page."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._begins = Begins(links)
        self._odd = re.compile(rb'url"(?:(?<!"url")|(?!: ?"%b))' % untouched(links))
        self._swaps = [
            Swap.of(before=b'"', key=b'url"', between=colon + b'"', begin=begin, new=new)
            for begin, new in links.plain().items()
            for colon in (b":", b": ")
        ]

    def step(self, held: bytes, piece: bytes) -> tuple[bytes, bytes]:
        """What is ready of the piece and what was held back, and what must be held back now."""
        cut = max(piece.rfind(b"{"), piece.rfind(b"}"))
        if cut >= 0:
            return self.last(held + piece[:cut]), piece[cut:]
        held += piece
        cut = held.rfind(_END_OF_TEXT) if len(held) > _LONG else -1
        if cut < 1 or held[cut - 1] == _BACKSLASH:
            return b"", held
        cut += len(_END_OF_TEXT)
        return self.last(held[:cut]), held[cut:]

    def last(self, piece: bytes) -> bytes:
        if b"\\" not in piece:
            ready = swapped(piece, piece.find(b'"url":'), self._swaps, self._odd)
            if ready is not None:  # a `v` is found by memchr, and most pages have none
                has_provenance = b"v" in piece and b'"provenance"' in piece
                return _LINKS[1].sub(self._rewritten, ready) if has_provenance else ready
        for pattern in _ESCAPED_LINKS if b"\\u00" in piece else _LINKS:
            piece = pattern.sub(self._rewritten, piece)
        return piece

    def _rewritten(self, link: re.Match[bytes]) -> bytes:
        start, begin, text = link.groups()
        is_url = link.re in (_LINKS[0], _ESCAPED_LINKS[0])
        if begin:
            plain = begin.replace(b"\\/", b"/")
            new = self._begins.replacement(plain, must_be_absolute=not is_url)
            return link[0] if new == plain else start + new
        try:
            old = json.loads(b'"' + text + b'"', strict=False)
        except ValueError:
            return link[0]
        rewritten = self._links.rewrite(old, must_be_absolute=not is_url)
        return link[0] if rewritten == old else start[:-1] + json.dumps(rewritten).encode()
