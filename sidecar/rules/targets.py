"""Plain targets: the paths of a request line by which all servers mean the same. Pure."""

import re
from urllib.parse import unquote_to_bytes

from sidecar.contract.words import Code
from sidecar.errors import Refusal

_PATH = re.compile(
    r"""
    (?:
      / (?!\.\.?(?:/|\Z))  # no dot segments; a segment has a character at least, so there is no `//`
      (?:
        [A-Za-z0-9._~!$&'()*+,=:@-]++  # RFC 3986 without `;`: servlet containers cut "..;" to ".."
        # An encoded slash, backslash, dot, percent sign or control is a path in disguise: some servers decode
        # twice. So are # ; ? if a server in front decodes them, and the server behind it cuts the path there
        | % (?! 2[EeFf35] | 3[BbFf] | 5[Cc] | [01] | 7[Ff] ) [0-9A-Fa-f]{2}
      )++
    )++
    /?+
    | /
    """,
    re.VERBOSE,
)
"""All rules of a path in a pattern that never backtracks: it is tried on each request"""
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-Fa-f]{2})*+")
_LIMIT = 4096  # half of what nginx takes for a request line


def is_plain(path: str, query: str) -> bool:
    """Whether all servers read this address in the same way. Raises the `Refusal` of one that is too long."""
    if len(path) + len(query) > _LIMIT:
        raise Refusal(414, Code.TARGET_TOO_LONG, f"the address is longer than {_LIMIT} bytes")
    if not _PATH.fullmatch(path) or (query and not _QUERY.fullmatch(query)):
        return False
    return "%" not in path or _is_utf8(path)


def refused_prefix(path: str) -> str:
    """The prefix of a path that ends with the last segment that is not plain. Mostly empty."""
    segments = path.split("/")
    while segments and (not segments[-1] or _PATH.fullmatch(f"/{segments[-1]}")):
        segments.pop()
    return "/".join(segments)


def _is_utf8(path: str) -> bool:
    """False for overlong forms too."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
