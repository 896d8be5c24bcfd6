"""The broker's narrow view of a cluster: eight questions, and typed answers.

The Kubernetes API and `webhook.demo.memory_cluster` implement it. An implementation holds no policy: it
raises `errors.ClusterUnavailable` if it has no answer, and returns None for an object that does not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sidecar.contract.secret import Secret
from webhook.connector.connector_class import MaybeClass
from webhook.connector.secret import SecretManifest

Verb = Literal["get", "create"]

PROXY_RESOURCE = ("connectors", "proxy")
"""Resource and sub-resource of an access review: `get` is for installing, `create` for uploading."""

_SERVICE_ACCOUNT = "system:serviceaccount:"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """The identity in a token, as the API server returns it in `TokenReview.status`."""

    username: str
    uid: str
    groups: tuple[str, ...]
    audiences: tuple[str, ...]
    namespace: str | None
    """None, like the next field, if the token is not of a ServiceAccount"""
    service_account: str | None
    pod_name: str | None
    """None, like the next field, if the token is not bound to a Pod"""
    pod_uid: str | None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenReview:
    """The answer about a token. Without an identity, `error` has the cause."""

    identity: TokenIdentity | None
    error: str = ""


class Cluster(Protocol):
    """The questions of the broker."""

    async def review_token(self, token: Secret, audience: str) -> TokenReview: ...

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    async def is_allowed(self, identity: TokenIdentity, verb: Verb, namespace: str, connector: str) -> bool:
        """SubjectAccessReview on `connectors/proxy` of that Connector, groups included."""

    async def secret(self, namespace: str, name: str) -> SecretManifest | None: ...

    async def connector(self, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    async def connector_class(self, name: str) -> MaybeClass:
        """The class `pypi` is there always: where its object is missing, it is about to be created."""

    async def sidecar_images(self) -> Sequence[str]:
        """The images that the objects of the installation name now, besides this replica's settings."""

    async def is_ready(self) -> bool:
        """Whether it can answer questions. A replica that cannot gets no requests from its Service."""


def parse_token_review(status: Mapping[str, Any]) -> TokenReview:
    """Read `TokenReview.status`. Only a literal `true` authenticates."""
    if status.get("authenticated") is not True:
        return TokenReview(None, str(status.get("error") or "not authenticated"))
    user = status.get("user") or {}
    username = str(user.get("username") or "")
    namespace = service_account = None
    if username.startswith(_SERVICE_ACCOUNT):
        namespace, _, service_account = username.removeprefix(_SERVICE_ACCOUNT).partition(":")
    extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
    return TokenReview(
        TokenIdentity(
            username=username,
            uid=str(user.get("uid") or ""),
            groups=tuple(user.get("groups") or ()),
            audiences=tuple(status.get("audiences") or ()),
            namespace=namespace,
            service_account=service_account,
            pod_name=_single(extra, _POD_NAME),
            pod_uid=_single(extra, _POD_UID),
            extra=extra,
        )
    )


def _single(extra: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    """The value, if there is exactly one. With two it is unclear which Pod is meant."""
    values = extra.get(key, ())
    return values[0] if len(values) == 1 and values[0] else None
