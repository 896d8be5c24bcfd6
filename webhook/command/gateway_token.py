"""A token of a ServiceAccount for the gateway, by TokenRequest."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sidecar.contract.secret import Secret
from sidecar.contract.words import GATEWAY_AUDIENCE
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.errors import ClusterUnavailable, Forbidden, InputError, NotFound
from webhook.identifiers import is_object_name

SHORTEST_SECONDS = 600
"""The API server refuses a shorter life."""
LONGEST_SECONDS = 2**32
"""As above. Most API servers issue none that are longer than a day or a year, and say so."""

_TOLERANCE_SECONDS = 90.0
"""Between the wish and the end of the token that is not worth a word. Arbitrary: clocks differ"""

_DURATION = re.compile(r"(?:([0-9]{1,7})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,10})s)?")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the API server issued it."""

    token: Secret
    ends_at: datetime


def parse_duration(text: str) -> int:
    """Seconds of `90m`, `1h30m` or `600s`. `InputError` outside the API server's limits."""
    match = _DURATION.fullmatch(text)
    parts = [int(part or 0) for part in match.groups()] if match and text else []
    if not parts:
        raise InputError.of("InvalidDuration", f"--duration must read like 90m or 1h30m, not {text!r}")
    seconds = parts[0] * 3600 + parts[1] * 60 + parts[2]
    if seconds < SHORTEST_SECONDS:
        sentence = f"--duration {text} is too short: the API server issues no token for less than 10m"
        raise InputError.of("InvalidDuration", sentence)
    if seconds > LONGEST_SECONDS:
        raise InputError.of("InvalidDuration", f"--duration {text} is too long for the API server")
    return seconds


def life_sentence(ends_at: datetime, asked_seconds: int, now: datetime) -> str:
    """When a token ends, and a word if that is not what was asked for. Continues "the token ..."."""
    left = (ends_at - now).total_seconds()
    sentence = f"ends at {ends_at:%Y-%m-%dT%H:%M:%SZ}, in {max(0, round(left / 60))} minutes"
    if abs(left - asked_seconds) <= _TOLERANCE_SECONDS:
        return sentence
    return f"{sentence}: the API server issues none for {asked_seconds // 60} minutes, or the clocks differ"


async def request_token(api: Api, namespace: str, account: str, seconds: int) -> Token:
    """https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/

    Raises `InputError` if there is no such account, and `ClusterRefused` and `ClusterUnavailable`.
    """
    if not is_object_name(account):
        raise InputError.of("InvalidName", f"{account!r} is no name of a ServiceAccount")
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [GATEWAY_AUDIENCE], "expirationSeconds": seconds},
    }
    try:
        answer = await api.create(paths.service_account_token(namespace, account), body)
    except NotFound:
        sentence = f'serviceaccounts "{account}" not found in namespace "{namespace}"'
        raise InputError.of("ServiceAccountNotFound", sentence) from None
    except Forbidden as error:
        sentence = (
            f"you may not create tokens of ServiceAccount {namespace}/{account}: ask for the verb create on "
            f"serviceaccounts/token in that namespace ({error})"
        )
        raise Forbidden(sentence) from error
    status = answer.get("status") or {}
    try:
        ends_at = datetime.fromisoformat(status["expirationTimestamp"])
        return Token(Secret(str(status["token"])), ends_at.astimezone(UTC))
    except (KeyError, TypeError, ValueError):
        # without the cause, which could quote the token
        raise ClusterUnavailable("the API server issued a token without its end") from None
