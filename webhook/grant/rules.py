"""The rules of a grant: identity, Pod, Connector and access reviews in, grant or refusal out. Pure.

Each rule raises `errors.Refusal` with a reason of its own. `webhook.grant.granting` applies them in order: a
Pod that fails an early rule learns nothing about the objects of the later rules.
"""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.contract.grant import Grant
from webhook import names
from webhook.connector.connector_class import BUILT_IN_CLASSES, Classes
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.registry import Secrets, compose_grant, parse_access
from webhook.errors import InputError, Problem, Refusal
from webhook.grant.cluster import TokenIdentity, TokenReview
from webhook.grant.reasons import BrokerReason
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request, parse_annotations
from webhook.pod.shape import FINISHED_PHASES

SOFT_SECONDS = 300.0
"""A changed access reaches a Pod within five minutes, and a Pod costs the broker one request in that time."""
HARD_SECONDS = 3600.0
"""Builds survive an hour without the broker. In that hour no refusal can reach a Pod either."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount that the API server verified by its token."""

    namespace: str
    service_account: str
    identity: TokenIdentity


@dataclass(frozen=True, slots=True)
class Caller(Account):
    """A Pod that the API server verified by its token."""

    pod_name: str
    pod_uid: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"


def authenticate(review: TokenReview, audience: str) -> Caller:
    """The Pod that the token is bound to."""
    identity = review.identity
    if identity is None:
        sentence = f"the API server does not accept the token: {review.error}"
        raise Refusal(BrokerReason.TOKEN_NOT_AUTHENTICATED, sentence)
    if audience not in identity.audiences:
        # an API server that ignores the requested audience answers with its own, or with none
        sentence = f"the token is not for the audience {audience!r}: project one with that audience"
        raise Refusal(BrokerReason.TOKEN_AUDIENCE_MISSING, sentence)
    if identity.namespace is None or identity.service_account is None:
        sentence = f"the token of {identity.username!r} is not a ServiceAccount's"
        raise Refusal(BrokerReason.TOKEN_NOT_SERVICE_ACCOUNT, sentence)
    if identity.pod_name is None or identity.pod_uid is None:
        raise unbound()
    return Caller(identity.namespace, identity.service_account, identity, identity.pod_name, identity.pod_uid)


def unbound() -> Refusal:
    sentence = "the token is not bound to a Pod: use a token that the kubelet projects into a Pod"
    return Refusal(BrokerReason.TOKEN_NOT_POD_BOUND, sentence)


def check_pod(caller: Caller, pod: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The caller's Pod, alive. A terminating Pod is alive: its work may need packages until the end."""
    if pod is None:
        raise Refusal(BrokerReason.POD_NOT_FOUND, f"Pod {caller.key} does not exist any more")
    uid = (pod.get("metadata") or {}).get("uid")
    if uid != caller.pod_uid:
        sentence = f"Pod {caller.key} was created anew (uid {uid}) since the token was issued"
        raise Refusal(BrokerReason.POD_RECREATED, sentence)
    phase = (pod.get("status") or {}).get("phase")
    if phase in FINISHED_PHASES:
        raise Refusal(
            BrokerReason.POD_FINISHED, f"Pod {caller.key} has ended ({phase}): it needs no packages"
        )
    return pod


def find_request(caller: Caller, pod: Mapping[str, Any], connector_key: ConnectorKey) -> Request:
    """The request in the Pod's annotations, which must name this connector."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    try:
        # no warnings: they compare each unknown annotation with every known name, and only authors read them
        request = parse_annotations(annotations, namespace=caller.namespace, warns=False)
    except InputError as error:
        raise Refusal(BrokerReason.ANNOTATION_INVALID, f"Pod {caller.key}: {error}") from error
    if connector_key not in request.keys:
        raise Refusal(
            BrokerReason.CONNECTOR_NOT_NAMED,
            f"Pod {caller.key} does not name Connector {connector_key} in its annotation {names.CONNECTOR}",
        )
    return request


def check_isolation(caller: Caller, violations: Sequence[Problem]) -> None:
    """Refuse with the first violation's reason and the sentences of all."""
    if violations:
        sentences = "; ".join(violation.message for violation in violations)
        raise Refusal(
            violations[0].reason, f"Pod {caller.key} does not keep the credential apart: {sentences}"
        )


def is_foreign(account: Account, connector_namespace: str) -> bool:
    """Whether the connector is in another namespace: then an access review comes before any answer."""
    return account.namespace != connector_namespace


def check_install(account: Account, connector_key: ConnectorKey, *, allowed: bool) -> None:
    if not allowed:
        raise Refusal(
            BrokerReason.ACCESS_DENIED,
            f"ServiceAccount {account.namespace}/{account.service_account} may not use Connector "
            f"{connector_key}: bind it to the ClusterRole {names.USER_ROLE} by a RoleBinding in namespace "
            f"{connector_key.namespace}",
        )


def check_connector(
    connector_key: ConnectorKey, manifest: Mapping[str, Any] | None, classes: Classes = BUILT_IN_CLASSES
) -> Connector:
    if manifest is None:
        raise Refusal(BrokerReason.CONNECTOR_NOT_FOUND, f'connectors "{connector_key}" not found')
    try:
        return parse_connector(manifest, classes=classes)
    except InputError as error:
        raise Refusal(BrokerReason.CONNECTOR_INVALID, str(error)) from error


def exceeds(connector: Connector, enforces: Container[str]) -> bool:
    """Whether the Connector has rules that the caller does not claim to enforce."""
    return bool(connector.packages) and "packages" not in enforces


def check_enforced(connector: Connector, enforces: Container[str]) -> None:
    """Refuse a Connector with rules that the sidecar does not claim to enforce: an older sidecar lets every
    package through.

    The claim counts because `check_isolation` has verified image and command. The shape of the Pod is no
    proof: during an upgrade a newer webhook can inject an older image.
    """
    if exceeds(connector, enforces):
        raise Refusal(
            BrokerReason.SIDECAR_TOO_OLD,
            f"Connector {connector.key} has allowPackages or denyPackages, which this Pod's sidecar is too "
            "old to know: create the Pod anew, with the sidecar's image of this release",
        )


def may_upload(connector: Connector, *, is_publish_target: bool, allowed: bool) -> bool:
    """`allowed` is the answer of the access review, and true if none applies."""
    return connector.access == "readwrite" and is_publish_target and allowed


def compose(connector: Connector, secrets: Secrets, *, upload: bool, broker_ca: Sequence[str] = ()) -> Grant:
    """The grant, or a refusal that names the faults of the Secrets."""
    try:
        access = parse_access(connector, secrets)
    except InputError as error:
        raise Refusal(error.problems[0].reason, str(error)) from None
    return compose_grant(
        access,
        version=_version(connector, secrets),
        may_upload=upload,
        soft_seconds=SOFT_SECONDS,
        hard_seconds=HARD_SECONDS,
        broker_ca=broker_ca,
    )


def _version(connector: Connector, secrets: Secrets) -> str:
    """Revisions of Secret, CA and Connector, readable in a log. The digest changes if the Connector is
    deleted and created anew, when its generation is 1 again. A Connector from a file has no generation."""
    digest = hashlib.sha256(repr(connector).encode()).hexdigest()[:8]
    login, ca = secrets.revisions
    parts = [login or "anonymous", *([ca] if ca else [])]
    return "/".join([*parts, f"{connector.generation}-{digest}"])
