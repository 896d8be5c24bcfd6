"""Validators of index pages (RFC 9110 §8.8): the registry's, with a mark of how links were rewritten. Pure.

A client's copy of a page is valid only if neither the registry's page nor the Connector has changed. Without
the mark, a 304 would keep links to origins of an earlier Connector. Marked tags are weak, for the page is not
the registry's byte for byte.

Example, with the mark `5f1c0a2e`: the registry's `"abc"` becomes `W/"5f1c0a2esabc"`, and `W/"abc"` becomes
`W/"5f1c0a2ewabc"`.
"""

import re

_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def marked(tag: bytes, mark: bytes) -> bytes | None:
    """A page's ETag for the client; None if `tag` is no ETag."""
    match = _TAG.fullmatch(tag)
    return b'W/"%b%b%b"' % (mark, b"w" if match[1] else b"s", match[2]) if match else None


def unmarked(tags: bytes, mark: bytes) -> bytes | None:
    """The registry's tags in a client's If-None-Match; None if no tag has this mark."""
    own = [
        (b"W/" if tag[len(mark) :][:1] == b"w" else b"") + b'"%b"' % tag[len(mark) + 1 :]
        for _, tag in _TAG.findall(tags)
        if tag.startswith(mark)
    ]
    return b", ".join(own) or None
