"""The questions of admission that caches answer, and the questions that go to the API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from kubernetes.aio.client import Configuration

from support.components import controller_stories as stories
from support.kubernetes.apistore import ApiStore
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.kubernetes import KubernetesApi
from webhook.cluster.lookups import AdmissionView
from webhook.connector.manifest import Connector
from webhook.identifiers import ConnectorKey

LARGE = [{"name": name, "value": "a-package " * 409} for name in ("allowPackages", "denyPackages")]
PATH = [{"name": "indexPath", "value": "y" * 1000}]


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with stories.store_with_class() as made:
        yield made


@contextlib.asynccontextmanager
async def viewing(store: ApiStore) -> AsyncIterator[AdmissionView]:
    async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
        caches = [
            Cache(api, paths.connectors(), trim.connector),
            Cache(api, paths.NAMESPACES, trim.namespace),
            Cache(api, paths.QUOTAS, trim.quota),
        ]
        tasks = [asyncio.create_task(cache.run()) for cache in caches]
        try:
            view = AdmissionView(api, *caches)
            await stories.until(view.is_ready)
            yield view
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def test_a_small_connector_comes_from_the_cache_and_a_large_connector_from_the_api_server(
    store: ApiStore,
) -> None:
    small, large = stories.connector(store, "small"), stories.connector(store, "large", params=LARGE + PATH)

    async def story() -> None:
        async with viewing(store) as view:
            for name in ("small", "large"):
                connector = await view.connector(ConnectorKey("team", name))
                assert isinstance(connector, Connector)
                assert (connector.packages is not None) == (name == "large")
        assert (store.count("GET", small), store.count("GET", large)) == (0, 1)

    stories.run(story())


def test_the_deciding_facts_of_a_namespace_and_its_quotas_stay(store: ApiStore) -> None:
    labels = {names.ALLOW_UNCONFINED: "true", "other": "x"}
    store.put(paths.namespace("team"), {"kind": "Namespace", "metadata": {"name": "team", "labels": labels}})
    for name, hard in {
        "one": {"limits.cpu": "4", "pods": "9"},
        "two": {"requests.ephemeral-storage": "1"},
    }.items():
        metadata = {"namespace": "team", "name": name}
        quota = {"kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
        store.put(f"{paths.namespace('team')}/resourcequotas/{name}", quota)

    async def story() -> None:
        async with viewing(store) as view:
            facts = await view.namespace_facts("team")
            assert facts.labels == {names.ALLOW_UNCONFINED: "true"}
            assert facts.quotas == {"limits.cpu", "requests.ephemeral-storage"}

    stories.run(story())
