"""Hides the credential in a registry's answers: some registries quote the request in an error. Pure."""

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from urllib.parse import unquote_to_bytes

from sidecar.contract.grant import Credential
from sidecar.http.headers import basic_authorization, secret_of
from sidecar.http.http1 import Headers

HIDDEN = b"(the registry's answer repeated the credential and is not shown)"
_UNREADABLE = b"(the registry's answer is in a coding that cannot be searched and is not shown)"

_PUBLIC: Mapping[bytes, bytes] = {
    b"content-encoding": rb"gzip|x-gzip|br|deflate|zstd|identity",
    b"content-range": rb"bytes [0-9]+-[0-9]+/([0-9]+|\*)",
    b"content-type": rb"(text/(html|plain)|application/(octet-stream|zip|gzip|x-gzip|x-tar|json|"
    rb"vnd\.pypi\.(simple|integrity)\.v1\+(html|json)))(; ?charset=utf-8)?",
}
"""Header → values that reveal no credential"""

_LOGIN_LENGTH = 4
"""Characters; arbitrary. Some links have a token as the user name, and the password `x`: any header has it"""
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def redact(text: bytes, credential: Credential | None) -> bytes:
    """The text; or a fixed sentence, if the text holds the credential."""
    return HIDDEN if _holds(text, credential) else text


def redact_head(
    reason: bytes, headers: Headers, credential: Credential | None, login: Credential | None = None
) -> tuple[bytes, Headers]:
    """Reason phrase and headers of an answer without those that hold the credential, or the login."""
    if login is not None and len(secret_of(login)) >= _LOGIN_LENGTH:
        reason, headers = redact_head(reason, headers, login)
    text = b"\n".join([reason, *chain.from_iterable(headers)])
    if not _holds(text, credential):  # the usual case takes a single search
        return reason, headers
    safe = [
        (name, value)
        for name, value in headers
        if _is_public(name, value) or not _holds(b"%b: %b" % (name, value), credential)
    ]
    return redact(reason, credential), safe


def _is_public(name: bytes, value: bytes) -> bool:
    """Whether this value is public though it may equal a password: a client needs it for the body."""
    pattern = _PUBLIC.get(name)
    return pattern is not None and re.fullmatch(pattern, value, re.IGNORECASE) is not None


def _holds(text: bytes, credential: Credential | None) -> bool:
    """Whether the text holds the password, plain, as in Authorization, or escaped.

    Error pages escape their quotations for HTML, JSON, a URL or a form.
    """
    if credential is None:
        return False
    pair, plain = _traces(credential)
    if pair in text or (plain and plain in text):
        return True
    readings = _unescaped(text, plain)
    return any(pair in reading or (plain and plain in reading) for reading in readings) if readings else False


@lru_cache(2)  # the registry's credential, and the login of a link or redirect
def _traces(credential: Credential) -> tuple[bytes, bytes]:
    """What a text is searched for: the pair of Basic auth without its padding, and the secret half of it."""
    authorization = basic_authorization(credential) or b""
    return authorization.removeprefix(b"Basic ").rstrip(b"="), secret_of(credential).encode()


def decode(body: bytes, applied: list[bytes], limit: int) -> bytes:
    """An error's body without its codings, which `redact` could not search; `limit` in bytes."""
    if not applied or not body:
        return body
    if applied not in ([b"gzip"], [b"x-gzip"]):
        return _UNREADABLE
    try:
        return zlib.decompressobj(wbits=31).decompress(body, limit)
    except zlib.error:
        return _UNREADABLE


def _unescaped(text: bytes, secret: bytes) -> list[bytes]:
    """The text unescaped, once for each kind of escape that it holds."""
    readings = []
    if b"+" in text and b" " in secret:  # a form's escapes
        readings.append(unquote_to_bytes(text.replace(b"+", b" ")))
    if b"%" in text:
        readings.append(unquote_to_bytes(text))
    if b"\\" in text:
        plain = text.decode("utf-8", "replace")
        escaped = _JSON_ESCAPE.sub(lambda at: chr(int(at[1], 16)) if at[1] else at[2], plain)
        readings.append(escaped.encode("utf-8", "replace"))
    if b"&" in text:
        from sidecar.http.entities import unescape  # few answers have entities

        readings.append(unescape(text.decode("utf-8", "replace")).encode("utf-8", "replace"))
    return readings
