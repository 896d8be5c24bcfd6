"""Link prefixes, `https://host/` as a page spells them, and their replacements. Pure.

The rest of a link stays byte by byte: percent-encodings, entities and escapes, in any charset.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from sidecar.links.page_links import PageLinks
from sidecar.rules.routes import FOREIGN

SAFE = rb"(?![/\\&\s])"
"""A prefix ends before this. A second slash would name a host. So would characters that clients turn into a
slash or drop: a backslash (WHATWG URL), an entity, a blank"""
_RELATIVE = rb"""\.\.?/|/%b|[\w.+~-]+["/#?%%]""" % SAFE
_CLIMBS = rb"(?:\.\./){1,%d}(?![./\\&\s])"
_STAYS = rb"""(?!\.)[\w.+~-]+["/#?%]"""
_NOTHING = b"(?!)"
_REMEMBERED = 100  # arbitrary: a page names one or two hosts


def unchanged(links: PageLinks, *, is_scoped: bool = False) -> bytes:
    """A pattern of links that need no rewriting: relative, or to a host that the Connector does not declare.

    Example: it matches the start of `../foo-1.zip`, `/packages/foo-1.zip` and `https://elsewhere/foo-1.zip`,
    but not of `//host/foo-1.zip`. In a page that was redirected, it matches no relative link. `is_scoped`:
    relative links must stay in scope, too.
    """
    hosts = b"|".join(re.escape(origin.host.removesuffix(".").encode()) for origin in links.origins)
    undeclared = rb"https?://(?!(?:%b)\.?/)[a-z0-9.-]+/" % hosts
    relative = _in_scope(links, links.layout.scopes) if is_scoped else _RELATIVE
    if links.prefix:  # a path from the root has to get it in front, and a climb must not leave it
        relative = _in_scope(links, ()) if is_scoped else _below(links.folders)
    return b"(?:%b)" % (undeclared if links.has_moved else undeclared + b"|" + relative)


def outside(links: PageLinks) -> bytes:
    """A pattern of rewritten links that may need a place in the memory of listed files: their text."""
    return rb"""(?!https?://|%b)([^"#]*)""" % _in_scope(links, (*links.layout.scopes, FOREIGN))


def _in_scope(links: PageLinks, prefixes: Iterable[str]) -> bytes:
    """Relative links that stay in scope, by their start.

    Example: on the page /repo/simple/foo/ of a Connector with the address https://r/repo, these begin with
    `/repo/`, or climb two folders at most.
    """
    starts = [rb"%b%b" % (re.escape(f"{links.prefix}{prefix}".encode()), SAFE) for prefix in prefixes]
    if links.depth is not None and not links.has_moved:
        starts.append(_below(links.depth))
    return b"|".join(starts) or _NOTHING


def _below(depth: int) -> bytes:
    """Relative links that climb so many folders at most."""
    return b"|".join([_CLIMBS % depth, _STAYS] if depth else [_STAYS])


class Prefixes:
    """Remembers the replacement of each prefix, so that a URL is parsed only for the first link with it."""

    def __init__(self, links: PageLinks) -> None:
        self._links = links
        self._replacements: dict[tuple[bytes, bool], bytes] = {}

    def replacement(self, prefix: bytes, *, must_be_absolute: bool) -> bytes:
        key = (prefix, must_be_absolute)
        replacement = self._replacements.get(key)
        if replacement is None:
            old = prefix.decode("ascii", "surrogateescape")
            new = self._links.rewrite(old, must_be_absolute=must_be_absolute)
            replacement = new.encode("ascii", "surrogateescape")
            if len(self._replacements) < _REMEMBERED:
                self._replacements[key] = replacement
        return replacement


class Swap(NamedTuple):
    """Replaces one prefix in all links of a piece, at the speed of C, if all of them have the plain spelling.

    The pattern matches a plain link up to its path, and only the key of any other link. Both are replaced by
    the same text, so a plain link becomes shorter, and any other longer. The length of the result tells
    whether all links were plain. A second pass that counts them would take a third of the time.

    Example: `https://r/` becomes `/`. The key and prefix of a plain link, and the bare key of any other link,
    become `href="/`:

        <a href="https://r/a.zip">    plain: `href="https://r/` becomes `href="/`, 9 bytes shorter
        <a href='https://r/b.zip'>    another spelling: `href` becomes `href="/`, 3 bytes longer

    Two plain links would save 18 bytes, and these two links save 6. So the result is thrown away, and the
    caller looks at each tag.
    """

    plain: bytes
    """Start of a plain link, with its key: the swap is tried if the first link of a piece starts like this"""
    pattern: re.Pattern[bytes]
    replacement: bytes
    saved: int
    """Bytes that a plain link loses, at least 1"""

    @classmethod
    @lru_cache(1024)  # arbitrary: a Connector has 8 and more, most Pods one Connector
    def of(cls, *, before: bytes, key: bytes, between: bytes, prefix: bytes, new: bytes) -> "Swap":
        """A plain link is spelled `before + key + between + prefix`; `new` replaces the prefix."""
        pattern = rb"%b(?:(?<=%b)%b%b|)" % (key, before + key, re.escape(between + prefix), SAFE)
        plain = before + key + between + prefix
        return cls(plain, re.compile(pattern), key + between + new, len(prefix) - len(new))

    def apply(self, piece: bytes) -> bytes | None:
        """The piece with its links replaced, None if a link is not plain."""
        out, count = self.pattern.subn(self.replacement, piece)
        return out if len(piece) - len(out) == count * self.saved else None


class Shortcut(NamedTuple):
    """Rewrites a piece whose links are all plain, without a look at each of them."""

    swaps: Sequence[Swap]
    odd: re.Pattern[bytes]
    """A link that no shortcut can judge: another spelling, or perhaps in need of rewriting"""

    def apply(self, piece: bytes, at: int, *, judges: bool = True) -> bytes | None:
        """The piece by the swap of its first link, which is at `at`. None: the piece needs a closer look.

        Without a swap, a piece that no `odd` link is in stays as it is. `judges`: whether the page's own base
        lets the pattern judge that.
        """
        for swap in self.swaps:
            if piece.startswith(swap.plain, at):
                return swap.apply(piece)
        return None if not judges or self.odd.search(piece) else piece
