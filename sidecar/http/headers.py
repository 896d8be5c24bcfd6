"""The headers that cross the proxy. Pure.

Only listed headers cross to the registry: a list of headers to drop would miss the next `PRIVATE-TOKEN`,
`X-JFrog-Art-Api` or `X-HTTP-Method-Override`. All headers but the listed ones cross to the client: registries
add harmless fields of their own.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping

from sidecar.contract.grant import Credential
from sidecar.http.http1 import Headers, find
from sidecar.http.validators import marked, unmarked

_TO_REGISTRY = frozenset(
    {b"accept", b"accept-language", b"cache-control", b"content-type", b"pragma", b"user-agent"}
)
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since"})
_OF_FILES = frozenset({b"accept-encoding", b"range", b"if-range"})
"""Not for index pages: they change on their way, so byte positions and codings would be of another text."""

_HOP_BY_HOP = frozenset(  # RFC 9110 §7.6.1, RFC 9112 §9.6, and older names still seen
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_TO_CLIENT = _HOP_BY_HOP | {
    b"alt-svc",  # would lead past the proxy
    b"authentication-info",
    b"clear-site-data",
    b"content-length",  # framing is ours
    b"content-location",  # the file's address: a signed one is a credential, and leads past the proxy
    b"link",
    b"location",  # redirects are followed here
    b"refresh",
    b"set-cookie",  # sessions of Nexus, Artifactory and load balancers are credentials
    b"set-cookie2",
    b"strict-transport-security",  # would pin 127.0.0.1
    b"www-authenticate",  # makes pip ask for a password
    b"access-control-allow-origin",  # no web page is to read through us
    b"access-control-allow-credentials",
}
_WITH_ERRORS: Mapping[bytes, str] = {
    b"retry-after": r"[0-9]{1,6}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT",
    b"content-range": r"bytes \*/[0-9]{1,19}",  # of a 416: how long the file is
}
"""Header of an error that a client acts on → its values, which quote no text of a request"""
_VALIDATORS = frozenset({b"etag", b"last-modified"})
_DIGESTS = frozenset({b"content-md5", b"digest", b"content-digest", b"repr-digest"})
_NOT_WITH_REWRITTEN = _NOT_TO_CLIENT | _DIGESTS | {b"content-encoding", b"accept-ranges"}
_WITH_FILES = _TO_REGISTRY | _CONDITIONS | _OF_FILES
_NOTHING: frozenset[bytes] = frozenset()
_VIA = (b"via", b"1.1 pypi-connector")  # RFC 9110 §7.6.3
_HOPS_LIMIT = 8
"""More are not counted; arbitrary"""


def to_registry(
    headers: Headers, *, host: str, authorization: bytes | None, page_mark: bytes | None = None
) -> Headers:
    """The request's headers for the registry. The sender of the body adds the framing.

    `page_mark`: the request is for an index page, whose tags bear this mark.
    """
    passed = _WITH_FILES if page_mark is None else _TO_REGISTRY
    if nominated := _nominated(headers):  # to copy a set takes longer than to filter by it
        passed = passed - nominated
    sent = [(b"host", host.encode("ascii"))]
    sent += [header for header in headers if header[0] in passed]
    if page_mark is not None:
        sent.append((b"accept-encoding", b"gzip"))
        tags = unmarked(find(headers, b"if-none-match") or b"", page_mark)
        if tags is not None and b"if-none-match" not in nominated:
            sent.append((b"if-none-match", tags))
    elif find(headers, b"accept-encoding") is None:
        sent.append((b"accept-encoding", b"identity"))
    if authorization is not None:
        sent.append((b"authorization", authorization))
    passes = hops(headers)
    sent.append((b"via", b", ".join([_VIA[1]] * (passes + 1))) if passes else _VIA)
    return sent


def hops(headers: Headers) -> int:
    """How many of our proxies a request has passed: a Connector may lead from one to another."""
    return min((find(headers, b"via") or b"").count(_VIA[1]), _HOPS_LIMIT)


def to_client(headers: Headers, *, is_rewritten: bool, page_mark: bytes | None = None) -> Headers:
    """The response's headers for the client, without framing."""
    dropped = _NOT_WITH_REWRITTEN if is_rewritten else _NOT_TO_CLIENT
    if nominated := _nominated(headers):
        dropped = dropped | nominated
    if page_mark is None:
        return [header for header in headers if header[0] not in dropped]
    tag = marked(find(headers, b"etag") or b"", page_mark)
    dropped |= _VALIDATORS
    passed = [header for header in headers if header[0] not in dropped]
    return [*passed, (b"etag", tag)] if tag is not None else passed


def plain_fields(headers: Headers) -> Headers:
    """The headers of an error of the registry that its client may see."""
    return [
        (name, value)
        for name, value in headers
        if name in _WITH_ERRORS and re.fullmatch(_WITH_ERRORS[name], value.decode("latin-1"))
    ]


def codings(headers: Headers) -> list[bytes]:
    """The codings of a body in the order applied; mostly none."""
    if find(headers, b"content-encoding") is None:  # nearly always
        return []
    from sidecar.contract.codings import applied

    return applied(value for name, value in headers if name == b"content-encoding")


def _nominated(headers: Headers) -> frozenset[bytes]:
    """The headers that the sender limits to this connection (RFC 9110 §7.6.1)."""
    lists = [value for name, value in headers if name == b"connection"]
    if not lists or lists == [b"keep-alive"]:  # nearly always
        return _NOTHING
    return frozenset(part.strip().lower() for value in lists for part in value.split(b","))


def basic_authorization(credential: Credential | None) -> bytes | None:
    """RFC 7617, in UTF-8; None for an anonymous registry."""
    if credential is None:
        return None
    pair = f"{credential.username}:{credential.password.reveal()}".encode()
    return b"Basic " + b2a_base64(pair, newline=False)


def secret_of(credential: Credential) -> str:
    """The half to search for by itself: some registries take a token as the user name, without a password."""
    return credential.password.reveal() or credential.username
