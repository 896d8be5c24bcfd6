"""The begins of links, `https://host/` as a page spells them, and what replaces them. Pure.

What follows the begin stays octet by octet: percent-encodings, entities, escapes, whatever the charset.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sidecar.links.page_links import PageLinks

SAFE = rb"(?![/\\&\s])"
"""After an origin and its slash, a second slash would name a host; so would what clients make one of: a
backslash (WHATWG URL), an entity, a blank that they drop"""
_RELATIVE = rb"""\.\.?/|/%b|[\w.+~-]+["/#?%%]""" % SAFE
_MOST = 100  # arbitrary: a page names one or two hosts


def untouched(links: PageLinks) -> bytes:
    """A pattern of links that need nothing: surely relative, or to a host that nobody declared."""
    hosts = b"|".join(re.escape(origin.host.encode()) for origin in links.origins)
    undeclared = rb"https?://(?!(?:%b)/)[a-z0-9.-]+/" % hosts
    return b"(?:%b)" % (undeclared if links.has_moved else undeclared + b"|" + _RELATIVE)


class Begins:
    """Remembers each spelling of a begin, so that only the first costs the parsing of a URL."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._known: dict[tuple[bytes, bool], bytes] = {}

    def replacement(self, begin: bytes, *, must_be_absolute: bool) -> bytes:
        key = (begin, must_be_absolute)
        found = self._known.get(key)
        if found is None:
            old = begin.decode("ascii", "surrogateescape")
            new = self._links.rewrite(old, must_be_absolute=must_be_absolute)
            found = new.encode("ascii", "surrogateescape")
            if len(self._known) < _MOST:
                self._known[key] = found
        return found


class Swap(NamedTuple):
    """All links of a piece at the speed of C, where each is spelled in one plain way.

    The pattern matches each link: a plain one up to its path, of any other only the key. A plain one
    becomes shorter and the key alone longer, so the length of the result tells whether all were plain:
    this saves the pass that would count them, a third of the time.
    """

    plain: bytes
    """What the first link of a piece must begin with, key included, for this swap to be tried"""
    pattern: re.Pattern[bytes]
    replacement: bytes
    saved: int
    """Octets that a plain link loses, at least 1"""

    @classmethod
    def of(cls, *, before: bytes, key: bytes, between: bytes, begin: bytes, new: bytes) -> "Swap":
        """For links spelled `before + key + between + begin`; those with the bare key are the odd ones."""
        pattern = rb"%b(?:(?<=%b)%b%b|)" % (key, before + key, re.escape(between + begin), SAFE)
        plain = before + key + between + begin
        return cls(plain, re.compile(pattern), key + between + new, len(begin) - len(new))

    def apply(self, piece: bytes) -> bytes | None:
        """The piece with its links replaced, None if one of them is not plain."""
        out, count = self.pattern.subn(self.replacement, piece)
        return out if len(piece) - len(out) == count * self.saved else None


def swapped(piece: bytes, at: int, swaps: Iterable[Swap], odd: re.Pattern[bytes] | None) -> bytes | None:
    """The piece by the swap that its first link, at `at`, asks for; as it is where no link is `odd`."""
    for swap in swaps:
        if piece.startswith(swap.plain, at):
            return swap.apply(piece)
    return None if odd is None or odd.search(piece) else piece
