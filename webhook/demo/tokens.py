"""Pod-bound ServiceAccount tokens of the in-memory cluster, with Kubernetes' claims (KEP-1205, KEP-4193).

Rejections have the words of the API server.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from sidecar.contract.secret import Secret

ISSUER = "https://kubernetes.default.svc.cluster.local"

LIFE_SECONDS = 3600
"""Life of a projected token whose volume does not name another"""


class TokenRejected(Exception):
    """The text that the API server would put into `TokenReview.status.error`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An object that a token is bound to."""

    name: str
    uid: str

    def claim(self) -> dict[str, str]:
        return {"name": self.name, "uid": self.uid}


class TokenAuthority:
    """Issues and checks tokens with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def issue(
        self,
        *,
        audience: str,
        namespace: str,
        service_account: Bound,
        pod: Bound | None,
        node: Bound | None,
        now: float,
        life_seconds: int = LIFE_SECONDS,
    ) -> Secret:
        private: dict[str, Any] = {"namespace": namespace, "serviceaccount": service_account.claim()}
        if pod:
            private["pod"] = pod.claim()
        if node:
            private["node"] = node.claim()
        claims = {
            "aud": [audience],
            "exp": int(now) + life_seconds,
            "iat": int(now),
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": private,
            "nbf": int(now),
            "sub": f"system:serviceaccount:{namespace}:{service_account.name}",
        }
        return Secret(jwt.encode(claims, self._key, algorithm="ES256"))

    def check(self, token: Secret, *, audience: str, now: float) -> dict[str, Any]:
        """The claims, or `TokenRejected`. Compares times here: the library would read its own clock."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token.reveal(),
                self._key.public_key(),
                algorithms=["ES256"],
                issuer=ISSUER,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            raise TokenRejected(f"invalid bearer token ({type(error).__name__})") from None
        if now >= claims["exp"]:
            raise TokenRejected("service account token has expired")
        if now < claims["nbf"]:
            raise TokenRejected("service account token is not valid yet")
        if audience not in claims["aud"]:
            audiences = '" "'.join(claims["aud"])
            sentence = f'token audiences ["{audiences}"] is invalid for the target audiences ["{audience}"]'
            raise TokenRejected(sentence)
        return claims
