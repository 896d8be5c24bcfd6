"""Addresses of registries: which URLs a Connector may name. Pure."""

import re
from urllib.parse import SplitResult, urlsplit

from webhook.errors import InvalidValue

_HOST = re.compile(
    r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[0-9A-Za-z._-]+)?"
)
"""DNS names (RFC 1123, and the underscores seen in practice), IPv4, IPv6 without its brackets"""
_NOT_PLAIN = re.compile(r"[\s\\\x00-\x1f\x7f]")
_DOT_SEGMENTS = frozenset({".", "..", "%2e", "%2e%2e"})


def parse_address(value: object) -> SplitResult:
    """An http or https URL without userinfo, query and fragment, or `InvalidValue`.

    The sentence never quotes the userinfo.
    """
    if not isinstance(value, str) or not value:
        raise InvalidValue("is missing", "give the registry's URL")
    try:
        url = urlsplit(value)
        is_port_possible = url.port is None or url.port > 0
    except ValueError:
        raise InvalidValue("is not a URL") from None  # the cause could quote the userinfo
    _check_host(url, is_port_possible=is_port_possible)
    _check_rest(url, value)
    return url


def _check_host(url: SplitResult, *, is_port_possible: bool) -> None:
    # the userinfo comes first: no later sentence may quote a URL that holds a password
    if url.username is not None or url.password is not None or "@" in url.netloc:
        fix = "put them into the Secret of spec.auth.secretRef"
        raise InvalidValue("must not hold a user name or password", fix)
    if url.scheme not in ("http", "https"):
        raise InvalidValue(f"must begin with https:// or http://, not {url.scheme or 'no scheme'!r}")
    if not url.hostname or not is_port_possible:
        raise InvalidValue("has no host")
    if not _HOST.fullmatch(url.hostname):
        raise InvalidValue(f"has no host that could exist: {url.hostname!r}")


def _check_rest(url: SplitResult, text: str) -> None:
    if url.query or "?" in text:
        raise InvalidValue("must not have a query")
    if url.fragment or "#" in text:
        raise InvalidValue("must not have a fragment")
    if not text.isascii() or _NOT_PLAIN.search(text):
        raise InvalidValue("must be ASCII without spaces (an international host in its xn-- form)")
    segments = url.path.lower().split("/")
    if not _DOT_SEGMENTS.isdisjoint(segments) or "//" in url.path:
        raise InvalidValue("must not have empty or dot segments in its path")
