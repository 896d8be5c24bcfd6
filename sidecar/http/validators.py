"""Validators of index pages (RFC 9110 §8.8): the registry's, marked by how links were led here. Pure.

A page that the client holds is still right only if the registry's has not changed, nor what the Connector
declares: a 304 would keep links that lead elsewhere. Marked tags are weak, for the page is no longer the
registry's octet for octet.
"""

import re

_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def marked(tag: bytes, mark: bytes) -> bytes | None:
    """A page's ETag as the client is told it; None if it is none."""
    found = _TAG.fullmatch(tag)
    return b'W/"%b%b%b"' % (mark, b"w" if found[1] else b"s", found[2]) if found else None


def unmarked(tags: bytes, mark: bytes) -> bytes | None:
    """The registry's own of a client's If-None-Match; None if there is none of this mark."""
    own = [
        (b"W/" if tag[len(mark) :][:1] == b"w" else b"") + b'"%b"' % tag[len(mark) + 1 :]
        for _, tag in _TAG.findall(tags)
        if tag.startswith(mark)
    ]
    return b", ".join(own) or None
