"""The way from a token to a grant: asks the cluster, in an order that gives nothing away early.

Nothing of a Connector is told before the Pod is known to name it, nothing of one in another namespace before
an access review, and a Secret is read last. The rules themselves are in `webhook.grant.rules`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from sidecar.contract.words import TOKEN_AUDIENCE
from webhook.connector.registry import read_secrets
from webhook.errors import Problem
from webhook.grant import rules
from webhook.grant.cluster import Cluster
from webhook.grant.isolation import UNKNOWN_IMAGE, violations
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request
from webhook.pod.settings import Settings


@dataclass(slots=True)
class Trail:
    """What is known of an exchange so far, for its one line in the audit log. Never a secret."""

    connector: ConnectorKey | None = None
    namespace: str | None = None
    pod: str | None = None
    uid: str | None = None
    service_account: str | None = None
    version: str | None = None
    upload: bool | None = None
    rejected: bool = False
    """The sidecar says that this version does not serve"""
    cause: str | None = None
    """Why not, from `contract.CAUSES`. None if there is a newer version, or the sidecar is older"""

    def met(self, caller: rules.Caller) -> None:
        self.namespace, self.pod, self.uid = caller.namespace, caller.pod_name, caller.pod_uid
        self.service_account = caller.service_account


async def grant(
    cluster: Cluster,
    settings: Settings,
    *,
    token: Secret,
    connector_key: ConnectorKey,
    rejected: str | None,
    trail: Trail,
    cause: str | None = None,
    enforces: Collection[str] = (),
) -> Grant:
    """Raises `errors.Refusal`, `errors.ClusterUnavailable` and `errors.ClusterRefused`, which means that
    a right of the broker itself is missing; `trail` is filled in each case. `enforces` is what the sidecar
    says that it holds its Pod to (`contract.ENFORCES`)."""
    trail.connector = connector_key
    namespace, name = connector_key
    caller = rules.authenticate(await cluster.review_token(token, TOKEN_AUDIENCE), TOKEN_AUDIENCE)
    trail.met(caller)
    request = await _judge_pod(cluster, settings, caller, connector_key)
    foreign = rules.is_foreign(caller, namespace)
    if foreign:
        allowed = await cluster.is_allowed(caller.identity, "get", namespace, name)
        rules.check_install(caller, connector_key, allowed=allowed)
    connector = rules.find_connector(connector_key, await cluster.connector(namespace, name))
    reviewed = foreign or connector.authorization == "rbac"
    if reviewed and not foreign:
        allowed = await cluster.is_allowed(caller.identity, "get", namespace, name)
        rules.check_install(caller, connector_key, allowed=allowed)
    rules.check_enforced(connector, enforces)
    may_create = not reviewed or await cluster.is_allowed(caller.identity, "create", namespace, name)
    target = request.publish_target == connector_key
    upload = rules.may_upload(connector, is_publish_target=target, allowed=may_create)
    secrets = await read_secrets(connector, cluster.secret)
    found = rules.compose(connector, secrets, upload=upload, broker_ca=settings.broker_ca)
    trail.version, trail.upload, trail.rejected = found.version, upload, rejected == found.version
    trail.cause = cause if trail.rejected else None
    return found


async def _violations(cluster: Cluster, settings: Settings, pod: Mapping[str, Any]) -> list[Problem]:
    """For an image that these settings do not name, ask the cluster: in a roll, replicas differ."""
    problems = violations(pod, settings=settings)
    if any(problem.reason == UNKNOWN_IMAGE for problem in problems):
        return violations(pod, settings=settings.with_images(await cluster.sidecar_images()))
    return problems


async def _judge_pod(
    cluster: Cluster, settings: Settings, caller: rules.Caller, connector_key: ConnectorKey
) -> Request:
    """The Pod's request, if it is allowed. The Pod, up to a mebibyte, is released at once."""
    pod = rules.check_pod(caller, await cluster.pod(caller.namespace, caller.pod_name))
    request = rules.find_request(caller, pod, connector_key)
    rules.check_isolation(caller, await _violations(cluster, settings, pod))
    return request
