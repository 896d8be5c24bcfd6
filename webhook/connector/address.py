"""Addresses of registries: which URLs a Connector may name. Pure."""

import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

Wrong = Callable[[str, str, str], None]
"""Takes reason, field and the rest of a sentence that begins with them"""

_HOST = re.compile(
    r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[0-9A-Za-z._-]+)?"
)
"""DNS names (RFC 1123, and the underscores seen in practice), IPv4, IPv6 without its brackets"""


def parse_address(value: object, field: str, wrong: Wrong) -> SplitResult | None:
    """An http or https URL without userinfo, query and fragment. The sentence never quotes the userinfo."""
    if not isinstance(value, str) or not value:
        wrong("InvalidAddress", field, "is missing: give the registry's URL")
        return None
    try:
        url = urlsplit(value)
        port_known = url.port is None or url.port > 0
    except ValueError:
        wrong("InvalidAddress", field, "is not a URL")
        return None
    sentence = None
    if url.username is not None or url.password is not None or "@" in url.netloc:
        sentence = "must not hold a user name or password: put them into the Secret of spec.auth.secretRef"
    elif url.scheme not in ("http", "https"):
        sentence = f"must begin with https:// or http://, not {url.scheme or 'no scheme'!r}"
    elif not url.hostname or not port_known:
        sentence = "has no host"
    elif not _HOST.fullmatch(url.hostname):
        sentence = f"has no host that could exist: {url.hostname!r}"
    elif url.query or "?" in value:
        sentence = "must not have a query"
    elif url.fragment or "#" in value:
        sentence = "must not have a fragment"
    elif not value.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", value):
        sentence = "must be ASCII without spaces (an international host in its xn-- form)"
    elif (
        any(part.lower() in (".", "..", "%2e", "%2e%2e") for part in url.path.split("/")) or "//" in url.path
    ):
        sentence = "must not have empty or dot segments in its path"
    if sentence:
        wrong("InvalidAddress", field, sentence)
        return None
    return url
