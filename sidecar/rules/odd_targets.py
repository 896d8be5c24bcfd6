"""Odd targets, which only a page of the index can vouch for: their limits, and their spellings. Pure.

Imported with the first of them: most sidecars never see one.
"""

import re
from urllib.parse import quote, unquote, unquote_to_bytes

_PARAMETER = re.compile(r"(;)")
_DELIMITER = re.compile(r"([&=;+])")
"""Of a path's segment, of a query"""
_UNRESERVED = re.compile(r"(?:/[A-Za-z0-9._~-]++)++")
"""Paths that have a single spelling: most"""
_UNSAFE = re.compile(r"[\\#]|[^!-~]|%(?:[01]|7[Ff]|5[Cc]|(?![0-9A-Fa-f]{2}))")
"""What no listed path may have: a backslash, a fragment, a blank, a control, a lone percent sign"""
_OVERLONG = re.compile(rb"[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]")
"""Forms of UTF-8 that lenient decoders read as dots and slashes (RFC 3629 §10)"""


def is_harmless(path: str, query: str) -> bool:
    """Whether an address that is not plain may be requested, if a page of the registry lists it.

    The registry vouches for brackets, empty segments and encoded slashes. A path that climbs stays refused,
    however it is spelled: the author of a package may have a say in a link.
    """
    if not path.startswith("/") or path.startswith("//"):  # of another host, to some parsers
        return False
    if _UNSAFE.search(path) or _UNSAFE.search(query) or _OVERLONG.search(unquote_to_bytes(path)):
        return False
    decoded = unquote(unquote(path))  # some servers decode twice
    return "\\" not in decoded and not any(
        segment.partition(";")[0] in (".", "..") for segment in decoded.split("/")
    )


def canonical(target: str) -> str:
    """A spelling that pip, uv and the page share for the same path and query.

    pip escapes `[`, uv does not; pip drops empty segments of a relative link. A delimiter stays apart from
    its escaped form, so no other file has the same spelling.
    """
    if _UNRESERVED.fullmatch(target):
        return target[1:] + "?"
    path, _, query = target.partition("?")
    segments = "/".join(_respelled(segment, _PARAMETER) for segment in path.split("/") if segment)
    return f"{segments}?{_respelled(query, _DELIMITER)}"


def spellings(target: str) -> list[str]:
    """The canonical spellings of a link's target: pip escapes a semicolon, which then is no delimiter."""
    found = [canonical(target)]
    if ";" in target:
        path, question, query = target.partition("?")
        found.append(canonical(path.replace(";", "%3B") + question + query))
    return found


def _respelled(text: str, delimiter: re.Pattern[str]) -> str:
    return "".join(
        part if delimiter.fullmatch(part) else quote(_decoded(part), safe="")
        for part in delimiter.split(text)
    )


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape"))  # bytes of a page that nobody decoded
