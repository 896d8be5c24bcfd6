"""Keeps the credential out of what a registry says back: some quote the request in an error. Pure."""

import re
import zlib
from urllib.parse import unquote_to_bytes

from sidecar.contract import Credential
from sidecar.headers import basic_authorization

HIDDEN = b"(the registry's answer repeated the credential and is not shown)"
_UNREADABLE = b"(the registry's answer is in a coding that cannot be searched and is not shown)"

_JSON_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def redact(text: bytes, credential: Credential | None) -> bytes:
    """The text, or a sentence in its place if it holds the password, plain or as in Authorization.

    Also where it is escaped for HTML, JSON, a URL or a form, as error pages do with what they quote. Without
    a password the user name is the secret: some registries take a token there.
    """
    authorization = basic_authorization(credential)
    if credential is None or authorization is None:
        return text
    secret = credential.password.reveal() or credential.username
    secrets = (secret.encode(), authorization.removeprefix(b"Basic "))
    readings = (text, *_unescaped(text))
    return HIDDEN if any(one and one in reading for one in secrets for reading in readings) else text


def decode(body: bytes, coding: bytes | None, limit: int) -> bytes:
    """An error's body without its coding, which `redact` could not look through; `limit` in octets."""
    if coding is None or coding.lower() == b"identity" or not body:
        return body
    if coding.lower() not in (b"gzip", b"x-gzip"):
        return _UNREADABLE
    try:
        return zlib.decompressobj(wbits=31).decompress(body, limit)
    except zlib.error:
        return _UNREADABLE


def _unescaped(text: bytes) -> list[bytes]:
    import html  # half a MiB for its table of entities, and only errors need it

    plain = text.decode("utf-8", "replace")
    from_json = _JSON_ESCAPE.sub(lambda at: chr(int(at[1], 16)) if at[1] else at[2], plain)
    return [
        html.unescape(plain).encode(),
        from_json.encode("utf-8", "replace"),
        unquote_to_bytes(text),
        unquote_to_bytes(text.replace(b"+", b" ")),
    ]
