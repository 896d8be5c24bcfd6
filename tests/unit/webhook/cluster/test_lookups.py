"""The questions of admission that caches answer, and the questions that go to the API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from kubernetes.aio.client import Configuration

from support.components import controller_stories as stories
from support.kubernetes.apistore import ApiStore
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.kubernetes import KubernetesApi
from webhook.cluster.live_questions import PATH_LIMIT
from webhook.cluster.lookups import LIMIT_RANGES_LIMIT, AdmissionView
from webhook.connector.manifest import Connector
from webhook.identifiers import ConnectorKey
from webhook.pod.namespace import NamespaceFacts

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
            Cache(api, paths.LIMIT_RANGES, trim.limit_range),
            Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class),
            Cache(api, paths.CSI_DRIVERS, trim.presence),
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
                key = ConnectorKey("team", name)
                found = (await view.connectors([key]))[key]
                assert isinstance(found, Connector)
                assert (found.packages is not None) == (name == "large")
        assert (store.count("GET", small), store.count("GET", large)) == (0, 1)

    stories.run(story())


def test_the_deciding_facts_of_a_namespace_its_quotas_and_limit_ranges_stay(store: ApiStore) -> None:
    labels = {names.ALLOW_UNCONFINED: "true", "other": "x"}
    store.put(paths.namespace("team"), {"kind": "Namespace", "metadata": {"name": "team", "labels": labels}})
    for name, hard in {
        "one": {"limits.cpu": "4", "pods": "9"},
        "two": {"limits.memory": "1Gi"},
    }.items():
        metadata = {"namespace": "team", "name": name}
        quota = {"kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
        store.put(f"{paths.namespace('team')}/resourcequotas/{name}", quota)

    for team in ("team", "another"):
        metadata = {"namespace": team, "name": f"bounds-of-{team}"}
        limits = [{"type": "Container", "min": {"cpu": "100m"}}]
        limit_range = {"kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
        store.put(f"{paths.namespace(team)}/limitranges/bounds-of-{team}", limit_range)

    async def story() -> None:
        async with viewing(store) as view:
            facts = await view.namespace_facts("team")
            assert [limit_range.name for limit_range in facts.limit_ranges] == ["bounds-of-team"]
            assert facts.limit_ranges[0].container.minimum == {"cpu": Decimal("0.1")}
            assert facts.labels == {names.ALLOW_UNCONFINED: "true"}
            assert facts.quotas == {"limits.cpu", "limits.memory"}

    stories.run(story())


@pytest.mark.parametrize("length", [1, trim.DEFAULTS_LIMIT + 1])
def test_the_defaults_of_a_namespace_come_from_the_cache_unless_they_are_large(
    store: ApiStore, length: int
) -> None:
    annotations = {names.CONNECTOR: "pypi", names.CONTAINERS: "x" * length, "other": "x"}
    metadata = {"name": "team", "labels": {names.INJECT: "enabled"}, "annotations": annotations}
    store.put(paths.namespace("team"), {"kind": "Namespace", "metadata": metadata})

    async def story() -> None:
        async with viewing(store) as view:
            facts = await view.namespace_facts("team")
            assert facts.defaults == {key: annotations[key] for key in (names.CONNECTOR, names.CONTAINERS)}
            assert store.count("GET", paths.namespace("team")) == (0 if length == 1 else 1)

    stories.run(story())


def test_few_limit_ranges_of_a_namespace_are_read(store: ApiStore) -> None:
    """Each costs a review some time."""
    for number in range(2 * LIMIT_RANGES_LIMIT):
        metadata = {"namespace": "team", "name": f"bounds-{number}"}
        limit_range = {"kind": "LimitRange", "metadata": metadata, "spec": {"limits": []}}
        store.put(f"{paths.namespace('team')}/limitranges/bounds-{number}", limit_range)

    async def story() -> None:
        async with viewing(store) as view:
            facts = await view.namespace_facts("team")
            assert len(facts.limit_ranges) == LIMIT_RANGES_LIMIT

    stories.run(story())


def test_a_review_of_absent_connectors_costs_one_question_and_names_each(store: ApiStore) -> None:
    keys = [ConnectorKey("team", f"absent-{number}") for number in range(16)]
    stories.connector(store, "small")
    present = ConnectorKey("team", "small")

    async def story() -> None:
        async with viewing(store) as view:
            before = len(store.calls)
            found = await view.connectors([present, *keys])
            assert isinstance(found.pop(present), Connector)
            assert found == dict.fromkeys(keys)
            assert len(store.calls) - before <= 1 + 5, "one question, and the watches begin"
            assert sum(store.count("GET", paths.connector(*key)) for key in keys) == 1

    stories.run(story())


def test_connectors_that_the_watch_has_not_brought_yet_are_all_asked_for(store: ApiStore) -> None:
    keys = [ConnectorKey("team", f"new-{number}") for number in range(6)]

    async def story() -> None:
        async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
            caches = [Cache(api, path, trim.whole) for path in (paths.connectors(), paths.NAMESPACES)]
            bounds = [
                Cache(api, path, trim.whole)
                for path in (paths.QUOTAS, paths.LIMIT_RANGES, paths.CONNECTOR_CLASSES, paths.CSI_DRIVERS)
            ]
            view = AdmissionView(api, *caches, *bounds)
            for key in keys:
                stories.connector(store, key.name)
            found = await view.connectors(keys)
            assert all(isinstance(connector, Connector) for connector in found.values())

    stories.run(story())


def test_an_absent_connector_is_known_as_soon_as_the_watch_brings_it(
    store: ApiStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when it is asked for again."""
    monkeypatch.setattr("webhook.cluster.live_questions.ABSENT_SECONDS", 3600.0)
    key = ConnectorKey("team", "small")

    async def story() -> None:
        async with viewing(store) as view:
            assert await view.connectors([key]) == {key: None}
            stories.connector(store, "small")
            while (await view.connectors([key]))[key] is None:
                await asyncio.sleep(0.01)
            assert store.count("GET", paths.connector(*key)) == 1

    stories.run(story())


def test_an_absent_namespace_is_asked_for_once(store: ApiStore) -> None:
    async def story() -> None:
        async with viewing(store) as view:
            for _ in range(9):
                assert await view.namespace_facts("nowhere") == NamespaceFacts()
            assert store.count("GET", paths.namespace("nowhere")) == 1
            assert await view.namespace_facts("n" * 1_000_000) == NamespaceFacts()
            assert len(max((path for _, path in store.calls), key=len)) < PATH_LIMIT

    stories.run(story())


def test_the_csi_driver_of_the_reference_system_is_known_as_long_as_it_is_installed(store: ApiStore) -> None:
    async def story() -> None:
        async with viewing(store) as view:
            assert not view.has_csi_driver()
            for name in ("other-csi", names.CSI_DRIVER):
                store.put(f"{paths.CSI_DRIVERS}/{name}", {"kind": "CSIDriver", "metadata": {"name": name}})
            await stories.until(view.has_csi_driver)
            store.delete(f"{paths.CSI_DRIVERS}/{names.CSI_DRIVER}")
            await stories.until(lambda: not view.has_csi_driver())

    stories.run(story())
