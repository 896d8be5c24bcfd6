"""Unsigned tokens with any claims."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from support.components.broker_requests import AUDIENCE

NOW = 1_000_000.0
CLAIMS: Mapping[str, Any] = {
    "aud": [AUDIENCE],
    "exp": NOW + 600,
    "iss": "https://issuer.example",
    "nbf": NOW - 600,
    "sub": "system:serviceaccount:team:default",
    "kubernetes.io": {"namespace": "team", "pod": {"name": "job", "uid": "1"}},
}


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def made_up(head: object = {"alg": "RS256"}, **changes: object) -> str:
    """An unsigned token."""
    claims = {key: value for key, value in {**CLAIMS, **changes}.items() if value is not None}
    return f"{part(head)}.{part(claims)}.c2lnbmF0dXJl"
