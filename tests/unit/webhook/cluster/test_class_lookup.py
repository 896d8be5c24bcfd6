"""ConnectorClasses of the cluster: from the cache, asked for on a miss, and the default one kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from support.components import controller_stories as stories
from support.kubernetes.apistore import ApiStore
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache
from webhook.cluster.class_lookup import ClassLookup
from webhook.cluster.connector_class import PYPI, DefaultClass
from webhook.cluster.kubernetes import KubernetesApi
from webhook.connector.connector_class import ConnectorClass
from webhook.errors import InvalidClass

DEFAULT = paths.connector_class(names.CONNECTOR_CLASS)
STRICT = paths.connector_class("strict")


def declared(name: str = "strict", **spec: Any) -> dict[str, Any]:
    return {"kind": "ConnectorClass", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with stories.store_with_class() as made:
        yield made


@contextlib.asynccontextmanager
async def caching(store: ApiStore) -> AsyncIterator[tuple[Api, Cache]]:
    async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
        cache = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
        task = asyncio.create_task(cache.run())
        try:
            await stories.until(cache.synced.is_set)
            yield api, cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_class_is_read_again_when_it_changes_and_only_then(store: ApiStore) -> None:
    store.put(STRICT, declared(extraIndexes="allow"))

    async def story() -> None:
        async with caching(store) as (_, cache):
            lookup = ClassLookup(cache)

            async def found() -> Any:
                return (await lookup.find(["strict"])).get("strict")

            first = await found()
            assert isinstance(first, ConnectorClass)
            assert await found() is first
            store.put(STRICT, declared(extraIndexes="perhaps"))
            while not isinstance(await found(), InvalidClass):
                await asyncio.sleep(0.01)
            store.delete(STRICT)
            while await found() is not None:
                await asyncio.sleep(0.01)

    stories.run(story())


def test_a_class_that_the_watch_has_not_brought_is_asked_for_once_and_the_default_never(
    store: ApiStore,
) -> None:
    asked: list[str] = []

    async def ask(name: str) -> dict[str, Any] | None:
        asked.append(name)
        return declared(name) if name == "new" else None

    async def story() -> None:
        async with caching(store) as (_, cache):
            lookup = ClassLookup(cache, ask)
            found = await lookup.find(["pypi", "new", "absent", "absent-too", ""])
            assert isinstance(found["new"], ConnectorClass)
            assert isinstance(found["pypi"], ConnectorClass)
            assert found.get("absent") is None
            assert asked == ["new", "absent"], "after an absent class, no other is asked for"

    stories.run(story())


def spec_of_default(store: ApiStore) -> Any:
    return store.get(DEFAULT)["spec"] if DEFAULT in store.paths else None


def test_the_default_class_is_made_again_and_never_overwritten(store: ApiStore) -> None:
    edited = {**PYPI, "spec": {"extraIndexes": "allow"}}
    store.delete(DEFAULT)

    async def story() -> None:
        async with caching(store) as (api, cache):
            first = asyncio.create_task(DefaultClass(api, cache).run())
            await stories.until(lambda: spec_of_default(store) == PYPI["spec"])
            store.put(DEFAULT, edited)
            await stories.until(lambda: (cache.get("", "pypi") or {}).get("spec") == edited["spec"])
            store.delete(DEFAULT)
            await stories.until(lambda: spec_of_default(store) == PYPI["spec"])
            store.put(DEFAULT, edited)
            await stories.until(lambda: (cache.get("", "pypi") or {}).get("spec") == edited["spec"])
            second = asyncio.create_task(DefaultClass(api, cache).run())
            await stories.until(lambda: store.count("POST", paths.CONNECTOR_CLASSES) == 3)
            assert spec_of_default(store) == edited["spec"]
            for task in (first, second):
                task.cancel()
            await asyncio.gather(first, second, return_exceptions=True)

    stories.run(story())
