"""A cluster in memory, made from manifests: `demo` and the tests use it in place of an API server.

As the API server does, it gives objects uid, resourceVersion and generation, and answers TokenReviews. It
holds no policy of the broker.
"""

import copy
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sidecar.contract.secret import Secret
from webhook.connector.connector_class import MaybeClass, find_class, with_default_class
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.demo import rbac
from webhook.demo.tokens import LIFE_SECONDS, Bound, TokenAuthority, TokenRejected
from webhook.grant.cluster import TokenIdentity, TokenReview, Verb, parse_token_review

_CLUSTER_SCOPED = ("Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "ConnectorClass")


class MemoryCluster:
    """Implements `grant.cluster.Cluster`. It copies manifests; callers must not change its objects."""

    def __init__(
        self, manifests: Iterable[Mapping[str, Any]] = (), *, clock: Callable[[], float] = time.time
    ) -> None:
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._versions = itertools.count(1)
        self._tokens = TokenAuthority()
        self._clock = clock
        self.images: tuple[str, ...] = ()
        """Sidecar images in the settings of the product's other replicas"""
        for manifest in manifests:
            self.apply(manifest)

    def apply(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create an object, or replace it under the same uid."""
        created = copy.deepcopy(dict(manifest))
        metadata = created.setdefault("metadata", {})
        if created.get("kind") not in _CLUSTER_SCOPED:
            metadata.setdefault("namespace", "default")
        key = (str(created.get("kind")), str(metadata.get("namespace", "")), str(metadata.get("name")))
        old = self._objects.get(key, {})
        old_metadata = old.get("metadata", {})
        metadata.setdefault("uid", old_metadata.get("uid") or str(uuid.uuid4()))
        metadata["resourceVersion"] = str(next(self._versions))
        changed = bool(old) and old.get("spec") != created.get("spec")
        metadata.setdefault("generation", old_metadata.get("generation", 1) + changed)
        self._objects[key] = created
        return created

    def delete(self, kind: str, namespace: str, name: str) -> None:
        del self._objects[kind, namespace, name]

    def issue_token(
        self, namespace: str, pod_name: str, audience: str, *, life_seconds: int = LIFE_SECONDS
    ) -> Secret:
        """The token that the kubelet would project into that Pod. `KeyError` if there is no such Pod."""
        pod = self._objects["Pod", namespace, pod_name]
        spec = pod.get("spec") or {}
        node = spec.get("nodeName")
        return self._tokens.issue(
            audience=audience,
            namespace=namespace,
            service_account=self._service_account(namespace, spec.get("serviceAccountName") or "default"),
            pod=Bound(pod_name, pod["metadata"]["uid"]),
            node=Bound(node, str(uuid.uuid5(uuid.NAMESPACE_DNS, node))) if node else None,
            now=self._clock(),
            life_seconds=life_seconds,
        )

    def issue_unbound_token(
        self, namespace: str, service_account: str, audience: str, *, life_seconds: int = LIFE_SECONDS
    ) -> Secret:
        """The token that `kubectl create token --audience` would print."""
        return self._tokens.issue(
            audience=audience,
            namespace=namespace,
            service_account=self._service_account(namespace, service_account),
            pod=None,
            node=None,
            now=self._clock(),
            life_seconds=life_seconds,
        )

    async def review_token(self, token: Secret, audience: str) -> TokenReview:
        return parse_token_review(self.token_review_status(token, audience))

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self._objects.get(("Pod", namespace, name))

    async def is_allowed(self, identity: TokenIdentity, verb: Verb, namespace: str, connector: str) -> bool:
        return rbac.is_allowed(self._objects.values(), identity, verb, namespace, connector)

    async def secret(self, namespace: str, name: str) -> SecretManifest | None:
        manifest = self._objects.get(("Secret", namespace, name))
        return parse_secret(manifest) if manifest else None

    async def connector(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self._objects.get(("Connector", namespace, name))

    async def connector_class(self, name: str) -> MaybeClass:
        manifest = self._objects.get(("ConnectorClass", "", name))
        return with_default_class({name: find_class(manifest)}).get(name)

    async def sidecar_images(self) -> Sequence[str]:
        return self.images

    async def is_ready(self) -> bool:
        return True

    def token_review_status(self, token: Secret, audience: str) -> dict[str, Any]:
        """`TokenReview.status` as the API server fills it."""
        try:
            claims = self._tokens.check(token, audience=audience, now=self._clock())
            self._check_bound(claims["kubernetes.io"])
        except TokenRejected as error:
            return {"authenticated": False, "error": str(error), "user": {}}
        private = claims["kubernetes.io"]
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        for kind in ("pod", "node"):
            for field in ("name", "uid") if kind in private else ():
                extra[f"authentication.kubernetes.io/{kind}-{field}"] = [private[kind][field]]
        namespace = private["namespace"]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        user = {"username": claims["sub"], "uid": private["serviceaccount"]["uid"], "groups": groups}
        return {"authenticated": True, "audiences": [audience], "user": {**user, "extra": extra}}

    def _check_bound(self, private: Mapping[str, Any]) -> None:
        namespace = private["namespace"]
        for kind, title in (("serviceaccount", "ServiceAccount"), ("pod", "Pod")):
            claim = private.get(kind)
            if claim is None:
                continue
            bound = self._objects.get((title, namespace, claim["name"]))
            if bound is None and kind == "pod":
                raise TokenRejected("service account token has been invalidated")
            if bound and bound["metadata"]["uid"] != claim["uid"]:
                label = "pod UID" if kind == "pod" else "service account UID"
                raise TokenRejected(
                    f"{label} ({bound['metadata']['uid']}) does not match claim ({claim['uid']})"
                )

    def _service_account(self, namespace: str, name: str) -> Bound:
        """An account without a manifest has a uid as well: every namespace has its `default`."""
        account = self._objects.get(("ServiceAccount", namespace, name))
        made_up = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{namespace}"))
        return Bound(name, account["metadata"]["uid"] if account else made_up)
