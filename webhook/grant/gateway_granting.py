"""The way from a gateway's and a client's token to a grant, in an order that gives nothing away early.

The gateway proves itself first, so that nobody else learns anything about tokens of others. Next comes the
client's token, then its right to the Connector, as for a Pod (`webhook.grant.granting`). Secrets are read
last. The rules themselves are in `webhook.grant.gateway_rules`.
"""

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.secret import Secret
from sidecar.contract.words import GATEWAY_AUDIENCE
from webhook.connector.registry import read_secrets
from webhook.grant import gateway_rules, rules
from webhook.grant.cluster import Cluster
from webhook.grant.granting import permitted_connector
from webhook.grant.rules import Account, Caller
from webhook.grant.trail import GrantRequest
from webhook.pod.settings import Settings


async def check_gateway(cluster: Cluster, caller: Caller, product_namespace: str) -> None:
    """Refuse a caller that is not a living Pod of the gateway."""
    gateway_rules.check_gateway(caller, product_namespace)
    rules.check_pod(caller, await cluster.pod(caller.namespace, caller.pod_name))


async def identify_client(cluster: Cluster, token: Secret) -> Account:
    """The ServiceAccount of the token. If it or the token's Pod is deleted, the review fails."""
    return gateway_rules.authenticate_client(await cluster.review_token(token, GATEWAY_AUDIENCE))


async def grant_to_client(
    cluster: Cluster, settings: Settings, client: Account, request: GrantRequest, remaining_seconds: float
) -> GatewayGrant:
    """Raises as `granting.grant` does."""
    key = request.connector
    connector, is_reviewed = await permitted_connector(cluster, client, key)
    gateway_rules.check_enforced(connector, request.enforces)
    may_create = not is_reviewed or await cluster.is_allowed(client.identity, "create", *key)
    upload = rules.may_upload(connector, is_publish_target=True, allowed=may_create)
    secrets = await read_secrets(connector, cluster.secret)
    grant = rules.compose(connector, secrets, upload=upload, broker_ca=settings.broker_ca)
    return gateway_rules.compose(grant, client, remaining_seconds)
