"""Rewrites the links of a JSON page (PEP 691) while the page streams. Pure.

Members with the name `url` or `provenance` are links, in unknown objects too: a client reaches the registry
only through the proxy. All else stays byte by byte, in its order.

A page is cut before a brace, or behind a text in a long list (PEP 700 `versions`). No prefix of a link has a
brace. A link that has no plain prefix and a brace in its path stays: the proxy refuses such a path anyway.
"""

import contextlib
import json
import re

from sidecar.links.page_links import LINK_LIMIT, PageLinks
from sidecar.links.prefixes import SAFE, Prefixes, Shortcut, Swap, outside, unchanged

_VALUE = (
    rb'\s*:\s*")(?:(?P<prefix>(?:(?i:https?):)?(?://|\\/\\/)[^\s/?#&@"{}\\]+\\?/)'
    + SAFE
    + rb'|(?P<text>[^"\\{}]*+(?:\\[^{}][^"\\{}]*+)*+)")'
)
_KEYS = (b"url", b"provenance")
# A quotation mark behind a backslash is part of a text, and begins no key: in `"a\"url": 1` there is no link.
# `_LINKS` checks that last, for a pattern with a literal at its begin is four times as fast.
_LINKS = [re.compile(rb'(?P<start>"%b"(?<!\\"%b")' % (key, key) + _VALUE) for key in _KEYS]
# A key with escapes, such as `"\u0075rl"`
_SPELLED = [b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in key) for key in _KEYS]
_ESCAPED_LINKS = [re.compile(rb'(?P<start>"(?<!\\")%b"' % key + _VALUE) for key in _SPELLED]
_HELD_BEFORE_CUT = 64 * 1024  # bytes; arbitrary. A page without a long list is not cut behind a text
_END_OF_TEXT = b'",'
_BACKSLASH = 0x5C


class JsonLinks:
    """Rewrites one page."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._prefixes = Prefixes(links)
        self._listing = links.listing
        self._is_thorough = self._listing is not None and self._listing.is_thorough
        self._shortcut = _shortcut(links, is_scoped=False)
        if self._listing is not None:
            self._scoped = _shortcut(links, is_scoped=True)
            self._outside = re.compile(rb'"url": ?"' + outside(links))

    def step(self, held: bytes, piece: bytes) -> tuple[bytes, bytes]:
        """Take the bytes held back and a piece. Return the bytes that are ready, and the bytes to hold."""
        cut = max(piece.rfind(b"{"), piece.rfind(b"}"))
        if cut >= 0:
            return self.last(held + piece[:cut]), piece[cut:]
        held += piece
        cut = held.rfind(_END_OF_TEXT) if len(held) > _HELD_BEFORE_CUT else -1
        if cut < 1 or held[cut - 1] == _BACKSLASH:
            return b"", held
        cut += len(_END_OF_TEXT)
        return self.last(held[:cut]), held[cut:]

    def last(self, piece: bytes) -> bytes:
        if b"\\" not in piece and not self._is_thorough:
            ready = self._all_plain(piece, piece.find(b'"url":'))
            if ready is not None:  # memchr looks for the `v`, and most pages have none
                has_provenance = b"v" in piece and b'"provenance"' in piece
                return _LINKS[1].sub(self._rewritten, ready) if has_provenance else ready
        for pattern in _ESCAPED_LINKS if b"\\u00" in piece else _LINKS:
            piece = pattern.sub(self._rewritten, piece)
        return piece

    def _all_plain(self, piece: bytes, at: int) -> bytes | None:
        """Fast path: every `url` is in the usual form. None if that is not sure."""
        ready = self._scoped.apply(piece, at) if self._listing is not None else None
        if ready is not None:  # nothing to remember
            return ready
        ready = self._shortcut.apply(piece, at)
        if self._listing is not None and ready is not None:
            for link in self._outside.findall(ready):
                self._listing.note(link.decode("ascii", "surrogateescape"))
        return ready

    def _rewritten(self, link: re.Match[bytes]) -> bytes:
        new = self._replaced(link)
        if self._listing is not None:
            value = new[len(link["start"]) - 1 :]
            if link["prefix"]:  # the rest of the link follows the match
                value += link.string[link.end() : link.string.find(b'"', link.end()) + 1]
            with contextlib.suppress(ValueError):
                self._listing.note(json.loads(value, strict=False))
        return new

    def _replaced(self, link: re.Match[bytes]) -> bytes:
        start, prefix, text = link.groups()
        if len(link[0]) > LINK_LIMIT:
            return link["start"][:-1] + b'""' if text and b"@" in text else link[0]
        is_url = link.re in (_LINKS[0], _ESCAPED_LINKS[0])
        if prefix:
            plain = prefix.replace(b"\\/", b"/")
            new = self._prefixes.replacement(plain, must_be_absolute=not is_url)
            return link[0] if new == plain else start + new
        try:
            old = json.loads(b'"' + text + b'"', strict=False)
        except ValueError:
            return link[0]
        rewritten = self._links.rewrite(old, must_be_absolute=not is_url)
        return link[0] if rewritten == old else start[:-1] + json.dumps(rewritten).encode()


def _shortcut(links: PageLinks, *, is_scoped: bool) -> Shortcut:
    """For links that are written as `"url":"` or `"url": "`."""
    odd = re.compile(rb'url"(?:(?<!"url")|(?!: ?"%b))' % unchanged(links, is_scoped=is_scoped))
    swaps = [
        Swap.of(before=b'"', key=b'url"', between=colon + b'"', prefix=prefix, new=new)
        for prefix, new in links.prefixes(is_scoped=is_scoped).items()
        for colon in (b":", b": ")
    ]
    return Shortcut(swaps, odd)
