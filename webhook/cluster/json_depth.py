"""JSON that is nested too deep for the standard library, read without its deepest parts. Pure.

The API server takes `metadata.managedFields` up to 10,000 deep from whoever may write an object. `json` calls
itself for each level and gives up at about 1,000 (RecursionError): one such object would stop a list or a
watch of all objects. Nothing that this product reads is that deep, so `null` takes the place of what is:

    {"a": [[[…9,000 more…]]], "b": 1}   →  {"a": [[null]], "b": 1}

Only what `json` has given up is scanned: usual objects cost nothing, the deepest 10 ms,
and 1.4 MB of brackets, which fit into etcd, 0.4 s.
"""

import json
import re

DEEPEST = 64
"""Levels that stay. A container's variable from a Secret lies 8 deep in a page of Pods; a schema 30."""

_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{}\]"]', re.DOTALL)
"""A whole string, a bracket, or the quote of a string that is cut off"""


def parse(data: bytes | bytearray) -> object:
    """The document. Raises `ValueError` if it is no JSON."""
    try:
        return json.loads(data)
    except RecursionError:
        text = data.decode("utf-8")
        found = shallow(text, 0)
        if found is None:
            raise ValueError("the document is cut off") from None
        return json.loads(found[0] + text[found[1] :])


def shallow(text: str, at: int) -> tuple[str, int] | None:
    """The object or array that begins at `at`, without its deepest parts, and the position after it.

    None: its end is not there.
    """
    pieces: list[str] = []
    depth = 0
    start = at
    for mark in _MARK.finditer(text, at):
        begin, end = mark.span()
        sign = text[begin]
        if sign in "{[":
            depth += 1
            if depth == DEEPEST + 1:
                pieces += (text[start:begin], "null")
        elif sign in "}]":
            depth -= 1
            if depth == DEEPEST:
                start = end
            elif depth == 0:
                return "".join((*pieces, text[start:end])), end
        elif end - begin == 1:
            return None
    return None
