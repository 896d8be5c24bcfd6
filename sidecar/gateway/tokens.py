"""The token that a client presents: where it stands in a request, and what it says of itself. Pure.

The broker has each token reviewed by the API server. What a token says of itself is no proof, and is used for
refusals only: made-up texts and tokens that are over cost no review.
"""

import json
from binascii import Error, a2b_base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sidecar.contract.secret import Secret
from sidecar.contract.words import GATEWAY_AUDIENCE, Code
from sidecar.errors import Refusal
from sidecar.gateway.refusals import GatewayCode, malformed, missing, unauthorized

_LENGTH_LIMIT = 8 * 1024
"""Bytes; arbitrary. Tokens of a ServiceAccount have about 1 KiB"""
_LEEWAY_SECONDS = 60.0
"""The clocks of this node and of the API server may differ so far; the API server decides"""
_PARTS = 3
_ACCOUNT = "system:serviceaccount:"


def token_of(values: list[bytes]) -> Secret:
    """The token of Authorization headers: as Basic password, as user name without one, or as Bearer.

    Raises Refusal.

    `http://token@host/` is the short form that people write for pip.
    """
    if not values:
        raise missing()
    if len(values) > 1:
        raise Refusal(400, Code.BAD_REQUEST, "the request has two Authorization headers")
    scheme, _, rest = values[0].strip().partition(b" ")
    token = rest.strip()
    if scheme.lower() == b"basic":
        token = _password(token)
    elif scheme.lower() != b"bearer":
        raise missing()
    if not token:
        raise missing()
    if len(token) > _LENGTH_LIMIT:
        raise malformed(f"longer than {_LENGTH_LIMIT} bytes")
    try:
        return Secret(token.decode("ascii"))
    except UnicodeDecodeError:
        raise malformed("it is not written in ASCII") from None


def check_claims(token: Secret, now: float) -> None:
    """Refuse a token that cannot be valid, by its own words. `now`: seconds since 1970."""
    claims = _claims(token.reveal())
    subject, audiences, end = claims.get("sub"), claims.get("aud"), claims.get("exp")
    if not isinstance(subject, str) or not subject.startswith(_ACCOUNT):
        raise malformed("its subject is no ServiceAccount")
    if GATEWAY_AUDIENCE not in (audiences if isinstance(audiences, list) else [audiences]):
        raise unauthorized(
            GatewayCode.WRONG_AUDIENCE,
            f"the token is not for the gateway: its audience must be {GATEWAY_AUDIENCE}",
        )
    if isinstance(end, int | float) and end + _LEEWAY_SECONDS < now:
        raise expired()


def expired() -> Refusal:
    return unauthorized(GatewayCode.TOKEN_EXPIRED, "the token has expired: create a new one")


def fingerprint(token: Secret) -> bytes:
    """SHA-256: tokens are compared by it, and no key of a table is a token."""
    return sha256(token.reveal().encode("ascii")).digest()


def _password(encoded: bytes) -> bytes:
    if not encoded:
        raise missing()
    try:
        user, colon, password = a2b_base64(encoded, strict_mode=True).partition(b":")
    except Error:
        raise malformed("the Basic credentials are no base64") from None
    if not colon:
        raise malformed("the Basic credentials have no colon")
    return password or user


def _claims(text: str) -> Mapping[str, Any]:
    """The second part of a JWT (RFC 7519), whose signature the API server verifies."""
    parts = text.split(".")
    if len(parts) != _PARTS or not all(parts):
        raise malformed("it is no JWT")
    try:
        body = parts[1].translate(str.maketrans("-_", "+/"))
        claims = json.loads(a2b_base64(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):  # binascii.Error is a ValueError
        raise malformed("it is no JWT") from None
    if not isinstance(claims, dict):
        raise malformed("it is no JWT")
    return claims
