"""The way from a token to a grant: asks the cluster, in an order that gives nothing away early.

A caller learns nothing about a Connector that its Pod does not name. For a Connector in another namespace, an
access review comes first. Secrets are read last. The rules themselves are in `webhook.grant.rules`.
"""

from collections.abc import Mapping
from typing import Any

from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from sidecar.contract.words import TOKEN_AUDIENCE
from webhook.connector.manifest import Connector, class_name
from webhook.connector.registry import read_secrets
from webhook.errors import Problem
from webhook.grant import rules
from webhook.grant.cluster import Cluster
from webhook.grant.isolation import violations
from webhook.grant.reasons import ViolationReason
from webhook.grant.rules import Account, Caller
from webhook.grant.trail import GrantRequest
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request
from webhook.pod.settings import Settings


async def identify(cluster: Cluster, token: Secret) -> Caller:
    """The Pod that the token is bound to. Raises as `grant` does."""
    return rules.authenticate(await cluster.review_token(token, TOKEN_AUDIENCE), TOKEN_AUDIENCE)


async def grant(cluster: Cluster, settings: Settings, caller: Caller, request: GrantRequest) -> Grant:
    """Raises `errors.Refusal`, `errors.ClusterUnavailable`, and `errors.ClusterRefused`, which means that
    the broker itself lacks a right."""
    key = request.connector
    pod_request = await _judge_pod(cluster, settings, caller, key)
    connector, is_reviewed = await permitted_connector(cluster, caller, key)
    rules.check_enforced(connector, request.enforces)
    may_create = not is_reviewed or await cluster.is_allowed(caller.identity, "create", *key)
    is_target = pod_request.takes_uploads(key)
    upload = rules.may_upload(connector, is_publish_target=is_target, allowed=may_create)
    secrets = await read_secrets(connector, cluster.secret)
    return rules.compose(connector, secrets, upload=upload, broker_ca=settings.broker_ca)


async def _judge_pod(
    cluster: Cluster, settings: Settings, caller: Caller, connector_key: ConnectorKey
) -> Request:
    """The Pod's request, if it is allowed. The Pod, up to a mebibyte, is released at once."""
    pod = rules.check_pod(caller, await cluster.pod(caller.namespace, caller.pod_name))
    request = rules.find_request(caller, pod, connector_key)
    rules.check_isolation(caller, await _violations(cluster, settings, pod))
    return request


async def _violations(cluster: Cluster, settings: Settings, pod: Mapping[str, Any]) -> list[Problem]:
    """For an image that these settings do not name, ask the cluster: in a roll, replicas differ."""
    problems = violations(pod, settings=settings)
    if any(problem.reason == ViolationReason.SIDECAR_IMAGE for problem in problems):
        return violations(pod, settings=settings.with_images(await cluster.sidecar_images()))
    return problems


async def _connector(cluster: Cluster, key: ConnectorKey) -> Connector:
    """With what its class says. A missing or broken class refuses the grant, for it may deny packages."""
    manifest = await cluster.connector(*key)
    name = class_name(manifest or {})
    classes = {name: await cluster.connector_class(name)} if name else {}
    return rules.check_connector(key, manifest, classes)


async def permitted_connector(
    cluster: Cluster, account: Account, connector_key: ConnectorKey
) -> tuple[Connector, bool]:
    """The Connector, and whether access reviews decide on it. For a Connector in another namespace the review
    comes first, so that a refusal does not show whether it exists. Else the Connector's own field decides."""

    async def check_install() -> None:
        allowed = await cluster.is_allowed(account.identity, "get", *connector_key)
        rules.check_install(account, connector_key, allowed=allowed)

    is_foreign = rules.is_foreign(account, connector_key.namespace)
    if is_foreign:
        await check_install()
    connector = await _connector(cluster, connector_key)
    is_own_reviewed = not is_foreign and connector.authorization == "rbac"
    if is_own_reviewed:
        await check_install()
    return connector, is_foreign or is_own_reviewed
