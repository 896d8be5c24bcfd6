"""Unverified claims of a token, checked before a TokenReview. Pure; nothing here is trusted.

A token that the API server could never accept is refused here and costs no TokenReview. The API server still
judges every token that passes: an attacker can write any claim. The issuer is not checked: an attacker reads
it in a token of their own. A cluster that changes its issuer accepts two issuers for a while.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from webhook.identifiers import is_label, is_subdomain

LEEWAY_SECONDS = 300.0
"""Allowed difference between the clocks of this node and the API server. Arbitrary, and generous."""

_LATEST = 1e10
"""Seconds since 1970: the year 2286. The API server issues no token for more than 2**32 seconds"""


def doubt(token: str, audience: str, now: float) -> str | None:
    """Why the API server would not accept the token for this audience, or None."""
    claims = _claims(token)
    if claims is None:
        return "it is no JWT with claims in JSON"
    audiences = _texts(claims.get("aud"))
    if audience not in audiences:
        held = ", ".join(repr(name[:100]) for name in audiences[:3]) or "none"
        return f"it is not for the audience {audience!r} (its audiences: {held})"
    if not _is_number(claims.get("exp")) or now - LEEWAY_SECONDS > claims["exp"]:
        return "it has expired"
    if _is_number(claims.get("nbf")) and now + LEEWAY_SECONDS < claims["nbf"]:
        return "it is not valid yet"
    if not _is_service_account(claims):
        return "it is not a ServiceAccount's"
    return None


def is_bound_to_pod(token: str) -> bool:
    """Whether the token names a Pod. Call it only for a token without a `doubt`."""
    pod = ((_claims(token) or {}).get("kubernetes.io") or {}).get("pod")
    return isinstance(pod, dict) and _are_texts(pod, "name", "uid")


def pod(token: str) -> tuple[str, str]:
    """The ServiceAccount and the uid of the Pod that a token claims; empty texts if it names no Pod."""
    claims = _claims(token) or {}
    subject, private = claims.get("sub"), claims.get("kubernetes.io")
    bound = private.get("pod") if isinstance(private, dict) else None
    if not isinstance(subject, str) or not isinstance(bound, dict) or not _are_texts(bound, "uid"):
        return "", ""
    return subject, bound["uid"]


def subject(token: str) -> tuple[str, str]:
    """The user name that a token claims, `system:serviceaccount:NAMESPACE:NAME`, and that namespace. Empty
    texts if it is not a ServiceAccount's."""
    claims = _claims(token)
    if claims is None or not _is_service_account(claims):
        return "", ""
    return claims["sub"], claims["kubernetes.io"]["namespace"]


def expiry(token: str) -> float | None:
    """The time at which the token ends, in seconds since 1970. Trust it only after a review of the token."""
    seconds: Any = (_claims(token) or {}).get("exp")
    return float(seconds) if _is_number(seconds) and 0 < seconds < _LATEST else None


def _claims(token: str) -> Mapping[str, Any] | None:
    """The claims of a JWT (RFC 7519); its signature is not checked."""
    parts = token.split(".")
    try:
        # JWTs leave the padding out; the decoder needs enough of it, and ignores the rest
        head, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    except (ValueError, RecursionError):
        return None
    is_jwt = len(parts) == 3 and isinstance(head, dict) and head.get("alg") not in (None, "none")
    return payload if is_jwt and isinstance(payload, dict) else None


def _is_service_account(claims: Mapping[str, Any]) -> bool:
    private, user = claims.get("kubernetes.io"), claims.get("sub")
    if not isinstance(user, str) or not isinstance(private, dict) or not _are_texts(private, "namespace"):
        return False
    namespace = private["namespace"]
    prefix = f"system:serviceaccount:{namespace}:"
    # limits and reports hold the namespace of tokens that are not reviewed yet
    return is_label(namespace) and user.startswith(prefix) and is_subdomain(user.removeprefix(prefix))


def _texts(value: object) -> list[str]:
    """`aud` is a text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _are_texts(fields: Mapping[str, Any], *keys: str) -> bool:
    return all(isinstance(fields.get(key), str) and fields[key] for key in keys)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
