"""What a Pod may have of a connector: identity, Pod, Connector and accesses in, grant or refusal out. Pure.

Each rule raises `errors.Refusal` with a reason of its own. The order in which they are asked is that of
`webhook.grant.granting`: whoever fails an early rule learns nothing about what the later ones look at.
"""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.contract.grant import Grant
from webhook import names
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.registry import Secrets, compose_grant, parse_access
from webhook.errors import InputError, Problem, Refusal
from webhook.grant.cluster import TokenIdentity, TokenReview
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request, parse_annotations

SOFT_SECONDS = 300.0
"""A changed access reaches a Pod in five minutes, and the broker sees one request per Pod in that time."""
HARD_SECONDS = 3600.0
"""Builds outlive an hour's failure of the broker; no refusal can reach a Pod for longer than that."""

_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Caller:
    """A Pod that proved who it is."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str
    identity: TokenIdentity

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"


def authenticate(review: TokenReview, audience: str) -> Caller:
    """The Pod that the token is bound to."""
    who = review.identity
    if who is None:
        sentence = f"the API server does not accept the token: {review.error}"
        raise Refusal("TokenNotAuthenticated", sentence, status=401)
    if audience not in who.audiences:
        # an API server that ignores the audience asked for answers with its own, or with none
        sentence = f"the token is not for the audience {audience!r}: project one with that audience"
        raise Refusal("TokenAudienceMissing", sentence, status=401)
    if who.namespace is None or who.service_account is None:
        raise Refusal("TokenNotServiceAccount", f"the token of {who.username!r} is not a ServiceAccount's")
    if who.pod_name is None or who.pod_uid is None:
        raise unbound()
    return Caller(who.namespace, who.service_account, who.pod_name, who.pod_uid, who)


def unbound() -> Refusal:
    sentence = "the token is not bound to a Pod: only one that the kubelet projects into a Pod counts"
    return Refusal("TokenNotPodBound", sentence)


def check_pod(caller: Caller, pod: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The caller's Pod, alive. A terminating one is: its work may need packages until the end."""
    if pod is None:
        raise Refusal("PodNotFound", f"Pod {caller.key} does not exist any more")
    uid = (pod.get("metadata") or {}).get("uid")
    if uid != caller.pod_uid:
        sentence = f"Pod {caller.key} was created anew (uid {uid}) since the token was issued"
        raise Refusal("PodRecreated", sentence)
    phase = (pod.get("status") or {}).get("phase")
    if phase in _FINISHED:
        raise Refusal("PodFinished", f"Pod {caller.key} has ended ({phase}): it needs no packages")
    return pod


def find_request(caller: Caller, pod: Mapping[str, Any], connector_key: ConnectorKey) -> Request:
    """What the Pod asks for, this connector among it."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    try:
        # warnings compare each unknown annotation with every known one: only an author reads them
        request = parse_annotations(annotations, namespace=caller.namespace, warns=False)
    except InputError as error:
        raise Refusal("AnnotationInvalid", f"Pod {caller.key}: {error}") from error
    if connector_key not in request.keys:
        raise Refusal(
            "ConnectorNotNamed",
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


def is_foreign(caller: Caller, connector_namespace: str) -> bool:
    """Whether the connector lies in another namespace: then access is reviewed before anything is said."""
    return caller.namespace != connector_namespace


def check_install(caller: Caller, connector_key: ConnectorKey, *, allowed: bool) -> None:
    if not allowed:
        raise Refusal(
            "AccessDenied",
            f"ServiceAccount {caller.namespace}/{caller.service_account} may not use Connector "
            f"{connector_key}: bind it to the ClusterRole {names.USER_ROLE} by a RoleBinding in namespace "
            f"{connector_key.namespace}",
        )


def find_connector(connector_key: ConnectorKey, manifest: Mapping[str, Any] | None) -> Connector:
    if manifest is None:
        raise Refusal("ConnectorNotFound", f'connectors "{connector_key}" not found', status=404)
    try:
        return parse_connector(manifest)
    except InputError as error:
        raise Refusal("ConnectorInvalid", str(error)) from error


def check_enforced(connector: Connector, enforces: Container[str]) -> None:
    """Refuse what the sidecar, by its own word, would not hold the Pod to: an older one lets all through.

    Its word counts because its image and command are known by now (`check_isolation`). The shape of its Pod
    would not do: in an upgrade a newer webhook can inject an older image.
    """
    if connector.packages and "packages" not in enforces:
        raise Refusal(
            "SidecarTooOld",
            f"Connector {connector.key} has allowPackages or denyPackages, which this Pod's sidecar is too "
            "old to know: create the Pod anew, with the sidecar's image of this release",
        )


def may_upload(connector: Connector, *, is_publish_target: bool, allowed: bool) -> bool:
    """`allowed` is the answer of the access review, true where none applies."""
    return connector.access == "readwrite" and is_publish_target and allowed


def compose(connector: Connector, secrets: Secrets, *, upload: bool, broker_ca: Sequence[str] = ()) -> Grant:
    """The grant, or a refusal that names what is wrong with the Secrets."""
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
    """Secret, CA and Connector, readable in a log. The digest tells a Connector from one that was deleted and
    created anew (its generation is 1 again), and from a file's, which has none."""
    digest = hashlib.sha256(repr(connector).encode()).hexdigest()[:8]
    login, ca = secrets.revisions
    parts = [login or "anonymous", *([ca] if ca else [])]
    return "/".join([*parts, f"{connector.generation}-{digest}"])
