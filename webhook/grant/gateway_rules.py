"""The rules of a grant through a gateway: the gateway itself, its client's token, the end of a grant. Pure.

A gateway is known by its ServiceAccount, and by nothing else of its Pod: users who may create Pods with that
account, in the product's own namespace, choose the labels and images as well.
"""

from collections.abc import Container, Mapping

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import Grant
from sidecar.contract.words import GATEWAY_AUDIENCE
from webhook import names
from webhook.connector.manifest import Connector
from webhook.errors import Refusal
from webhook.grant import rules
from webhook.grant.cluster import TokenReview
from webhook.grant.reasons import BrokerReason
from webhook.grant.rules import Account, Caller

_ASK_ANEW = f"ask for one with `kubectl create token NAME -n NAMESPACE --audience {GATEWAY_AUDIENCE}`"

_OF_GATEWAY: Mapping[str, BrokerReason] = {
    **dict.fromkeys(
        (
            BrokerReason.TOKEN_MISSING,
            BrokerReason.TOKEN_MALFORMED,
            BrokerReason.TOKEN_NOT_AUTHENTICATED,
            BrokerReason.TOKEN_AUDIENCE_MISSING,
            BrokerReason.TOKEN_NOT_SERVICE_ACCOUNT,
            BrokerReason.TOKEN_NOT_POD_BOUND,
        ),
        BrokerReason.GATEWAY_TOKEN_REFUSED,
    ),
    **dict.fromkeys(
        (BrokerReason.POD_NOT_FOUND, BrokerReason.POD_RECREATED, BrokerReason.POD_FINISHED),
        BrokerReason.GATEWAY_POD_GONE,
    ),
}
"""A reason about the caller's token or Pod → the reason when that caller should be a gateway"""


def as_gateways(refusal: Refusal) -> Refusal:
    """The refusal of a gateway itself. The others, such as too many requests, stay as they are."""
    reason = _OF_GATEWAY.get(refusal.reason)
    return Refusal(reason, f"the gateway itself: {refusal.message}") if reason else refusal


def check_gateway(caller: Caller, product_namespace: str) -> None:
    if (caller.namespace, caller.service_account) != (product_namespace, names.GATEWAY):
        raise Refusal(
            BrokerReason.GATEWAY_NOT_ALLOWED,
            f"ServiceAccount {caller.namespace}/{caller.service_account} is not the gateway's: only Pods of "
            f"{product_namespace}/{names.GATEWAY} ask for grants of others",
        )


def not_accepted(cause: str) -> Refusal:
    sentence = f"the API server does not accept the client's token: {cause}; {_ASK_ANEW}"
    return Refusal(BrokerReason.CLIENT_TOKEN_NOT_AUTHENTICATED, sentence)


def authenticate_client(review: TokenReview) -> Account:
    """The ServiceAccount of the client's token."""
    identity = review.identity
    if identity is None:
        raise not_accepted(review.error)
    if GATEWAY_AUDIENCE not in identity.audiences:  # as in `rules.authenticate`
        sentence = f"the client's token is not for the audience {GATEWAY_AUDIENCE!r}: {_ASK_ANEW}"
        raise Refusal(BrokerReason.CLIENT_TOKEN_AUDIENCE_MISSING, sentence)
    if not identity.namespace or not identity.service_account:
        sentence = f"the client's token, of {identity.username!r}, is not a ServiceAccount's: {_ASK_ANEW}"
        raise Refusal(BrokerReason.CLIENT_TOKEN_NOT_SERVICE_ACCOUNT, sentence)
    return Account(identity.namespace, identity.service_account, identity)


def check_life(expires_at: float | None, now: float) -> float:
    """The remaining seconds of a token that was reviewed. The API server accepts a token a little longer than
    it lives, and remembers a review for ten seconds."""
    if expires_at is None or expires_at <= now:
        raise not_accepted("it has expired")
    return expires_at - now


def check_enforced(connector: Connector, enforces: Container[str]) -> None:
    if rules.exceeds(connector, enforces):
        raise Refusal(
            BrokerReason.GATEWAY_TOO_OLD,
            f"Connector {connector.key} has allowPackages or denyPackages, which the gateway is too old to "
            f"know: roll the Deployment {names.GATEWAY} to this release",
        )


def compose(grant: Grant, client: Account, remaining_seconds: float) -> GatewayGrant:
    """The grant, which ends with the client's token."""
    limited = grant._replace(
        soft_seconds=min(grant.soft_seconds, remaining_seconds),
        hard_seconds=min(grant.hard_seconds, remaining_seconds),
    )
    return GatewayGrant(limited, f"{client.namespace}/{client.service_account}", remaining_seconds)
