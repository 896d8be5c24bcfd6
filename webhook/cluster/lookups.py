"""The cluster's answers for broker and admission: implements `webhook.grant.cluster.Cluster`.

Admission reads Connectors and Namespaces from watched caches, and asks the API server only on a miss. The
broker asks the API server each time. A grant is valid for minutes, and after a restart of the API server a
cache is behind. Secrets are read by `get` only.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.contract.secret import Secret
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache
from webhook.cluster.class_lookup import ClassLookup
from webhook.cluster.image_keeper import ImageKeeper
from webhook.cluster.live_questions import LiveQuestions
from webhook.connector.connector_class import MaybeClass
from webhook.connector.manifest import MaybeConnector, class_name, find_connector
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.grant.cluster import (
    PROXY_RESOURCE,
    TokenIdentity,
    TokenReview,
    Verb,
    parse_token_review,
)
from webhook.identifiers import ConnectorKey
from webhook.pod.namespace import NamespaceFacts, namespace_facts

LIMIT_RANGES_LIMIT = 32
"""Of a namespace, that are read for a Pod: each takes 0.1 ms. We know of namespaces with two. The API server
itself holds a Pod to all of them."""


class KubernetesCluster:
    """Implements `Cluster`. The broker is ready once `connectors`, the controller's cache, and `classes` are
    synced. Classes seldom change and every grant needs one, so they are read from the cache."""

    def __init__(self, api: Api, connectors: Cache, classes: Cache, images: ImageKeeper) -> None:
        self._api = api
        self._connectors = connectors
        self._classes = classes
        self._class_lookup = ClassLookup(classes, self._ask_class)
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

    async def connector_class(self, name: str) -> MaybeClass:
        return (await self._class_lookup.find([name])).get(name)

    async def _ask_class(self, name: str) -> dict[str, Any] | None:
        return await self._api.get(paths.connector_class(name), trim=trim.connector_class)

    async def sidecar_images(self) -> Sequence[str]:
        return await self._images.look()

    async def is_ready(self) -> bool:
        return self._connectors.synced.is_set() and self._classes.synced.is_set()


class AdmissionView:
    """Answers for admission: Connectors, the relevant facts of a Namespace, and of the cluster."""

    def __init__(
        self,
        api: Api,
        connectors: Cache,
        namespaces: Cache,
        quotas: Cache,
        limit_ranges: Cache,
        classes: Cache,
        csi_drivers: Cache,
    ) -> None:
        self._live = LiveQuestions(api)
        self._connectors = connectors
        self._classes = classes
        self._class_lookup = ClassLookup(classes, self._ask_class)
        self._namespaces = namespaces
        self._quotas = quotas
        self._limit_ranges = limit_ranges
        self._csi_drivers = csi_drivers

    async def connectors(self, keys: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
        """A Connector that is not in the cache may have been created together with the Pod, a moment ago, or
        be too large for the cache. The API server is asked for both.

        If the first missing Connector does not exist, the Pod is refused in any case. Then the others that
        are not in the cache count as absent as well, without a question."""
        manifests = {key: self._connectors.get(*key) for key in keys}
        unknown = [key for key, manifest in manifests.items() if manifest is None]
        wanted = [key for key, manifest in manifests.items() if manifest and trim.is_abridged(manifest)]
        if unknown:
            first = manifests[unknown[0]] = await self._ask(unknown[0])
            wanted += unknown[1:] if first else []
        answers = await asyncio.gather(*map(self._ask, wanted))
        manifests.update(zip(wanted, answers, strict=True))
        named = [class_name(manifest) for manifest in manifests.values() if manifest]
        classes = await self._class_lookup.find(named)
        return {key: find_connector(manifest, classes) for key, manifest in manifests.items()}

    async def _ask_class(self, name: str) -> dict[str, Any] | None:
        return await self._live.get(paths.connector_class(name), "")

    async def _ask(self, key: ConnectorKey) -> dict[str, Any] | None:
        return await self._live.get(paths.connector(*key), key.namespace)

    async def namespace_facts(self, name: str) -> NamespaceFacts:
        namespace = self._namespaces.get("", name)
        if namespace is None or trim.is_abridged(namespace):
            namespace = await self._live.get(paths.namespace(name), name) or {}
        metadata = namespace.get("metadata") or {}
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        quotas = self._quotas.in_namespace(name)
        limit_ranges = self._limit_ranges.in_namespace(name)[:LIMIT_RANGES_LIMIT]
        return namespace_facts(labels, quotas, limit_ranges, annotations)

    def has_csi_driver(self) -> bool:
        """Whether the reference system's driver is installed, or was when the API server last answered."""
        return self._csi_drivers.get("", names.CSI_DRIVER) is not None

    def is_ready(self) -> bool:
        caches = (
            self._connectors,
            self._namespaces,
            self._quotas,
            self._limit_ranges,
            self._classes,
            self._csi_drivers,
        )
        return all(cache.synced.is_set() for cache in caches)
