"""The broker's and admission's questions, answered by the Kubernetes API: `seam.Cluster` for real.

Admission has Connectors and Namespaces from watched caches, with one live question on a miss. The broker asks
each time: what a grant says serves for minutes, and a cache is behind after an API server's restart. Secrets
are read by `get` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.contract.secret import Secret
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache
from webhook.cluster.image_keeper import ImageKeeper
from webhook.connector.manifest import MaybeConnector, find_connector
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.grant.cluster import (
    PROXY_RESOURCE,
    TokenIdentity,
    TokenReview,
    Verb,
    parse_token_review,
)
from webhook.identifiers import ConnectorKey
from webhook.pod.namespace import NamespaceFacts

LIVE_SECONDS = 1.0
"""For what a cache misses while the API server waits 5 s for admission's answer."""


class KubernetesCluster:
    """Implements `seam.Cluster`. `connectors`, the controller's, tells that the API server was reached."""

    def __init__(self, api: Api, connectors: Cache, images: ImageKeeper) -> None:
        self._api = api
        self._connectors = connectors
        self._images = images

    async def review_token(self, token: Secret, audience: str) -> TokenReview:
        """https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/"""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token.reveal(), "audiences": [audience]},
        }
        answer = await self._api.create(paths.TOKEN_REVIEWS, body)
        return parse_token_review(answer.get("status") or {})

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return await self._api.get(paths.pod(namespace, name), trim=trim.pod)

    async def is_allowed(self, identity: TokenIdentity, verb: Verb, namespace: str, connector: str) -> bool:
        resource, subresource = PROXY_RESOURCE
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": identity.username,
                "uid": identity.uid,
                "groups": list(identity.groups),
                "extra": {key: list(values) for key, values in identity.extra.items()},
                "resourceAttributes": {
                    "group": names.GROUP,
                    "version": names.API_VERSION.rpartition("/")[2],
                    "resource": resource,
                    "subresource": subresource,
                    "verb": verb,
                    "namespace": namespace,
                    "name": connector,
                },
            },
        }
        status = (await self._api.create(paths.ACCESS_REVIEWS, body)).get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True

    async def secret(self, namespace: str, name: str) -> SecretManifest | None:
        manifest = await self._api.get(paths.secret(namespace, name), trim=trim.secret)
        return parse_secret(manifest) if manifest else None

    async def connector(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return await self._api.get(paths.connector(namespace, name))

    async def sidecar_images(self) -> Sequence[str]:
        return await self._images.look()

    async def is_ready(self) -> bool:
        return self._connectors.synced.is_set()


class AdmissionView:
    """What admission asks: Connectors, and what counts of a Namespace."""

    def __init__(self, api: Api, connectors: Cache, namespaces: Cache, quotas: Cache) -> None:
        self._api = api
        self._connectors = connectors
        self._namespaces = namespaces
        self._quotas = quotas

    async def connector(self, key: ConnectorKey) -> MaybeConnector:
        manifest = self._connectors.get(*key)
        # it may have been created just now, together with the Pod, or be too large for the cache
        if manifest is None or trim.is_abridged(manifest):
            manifest = await self._api.get(paths.connector(*key), seconds=LIVE_SECONDS)
        return find_connector(manifest)

    async def place(self, name: str) -> NamespaceFacts:
        found = self._namespaces.get("", name)
        if found is None:
            found = await self._api.get(paths.namespace(name), seconds=LIVE_SECONDS) or {}
        labels = (found.get("metadata") or {}).get("labels") or {}
        quotas = (one for one in self._quotas if one["metadata"]["namespace"] == name)
        return NamespaceFacts(
            labels, frozenset(key for one in quotas for key in (one.get("spec") or {}).get("hard") or {})
        )

    def is_ready(self) -> bool:
        return all(one.synced.is_set() for one in (self._connectors, self._namespaces, self._quotas))
