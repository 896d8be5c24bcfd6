"""A cache of all objects of one kind, updated by list and watch.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

While the API server is away, the cache keeps its last state: Pods are still admitted, and a changed Connector
arrives late. The library `kubernetes` has no informer for asyncio, and its threaded informer spins on errors.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from webhook.cluster.api import Api
from webhook.cluster.trim import Json, Trim
from webhook.errors import ClusterRefused, ClusterUnavailable, Gone

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace ("" for objects without one) and name"""
Listener = Callable[[Key, Json | None], None]
"""Called with each new state of an object, or with None once it is deleted; it must not block"""

PAGE = "100"
"""Objects per page of a list. The API server builds a page in memory, from objects of up to 1.5 MiB. Ten
thousand small objects take a hundred requests, some seconds in all. client-go asks for 500."""

FIRST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS_LIMIT = 20.0
"""Each pause is drawn from between half and all of its length: after an API server's restart, not all clients
must come back together."""


class Cache:
    """Run `run` in a task of its own. All other methods may be called at any time."""

    def __init__(self, api: Api, path: str, trim: Trim, *, label: str = "") -> None:
        """The cache stores the result of `trim`, which has at least namespace, name and resourceVersion.
        With `label`, only objects that carry a label of this name."""
        self._api = api
        self._path = path
        self._trim = trim
        self._query = {"labelSelector": label} if label else {}
        self._listeners: list[Listener] = []
        self._objects: dict[str, dict[str, Json]] = {}
        """Namespace → name → object"""
        self._version = ""
        self._failures = 0
        self.synced = asyncio.Event()
        """Set once the first list is complete, and never cleared"""

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def get(self, namespace: str, name: str) -> Json | None:
        return self._objects.get(namespace, {}).get(name)

    def in_namespace(self, namespace: str) -> list[Json]:
        return list(self._objects.get(namespace, {}).values())

    def __iter__(self) -> Iterator[Json]:
        return iter([manifest for by_name in self._objects.values() for manifest in by_name.values()])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Gone as error:
                # the watch was interrupted for too long, or an event cannot be read
                self._version = ""
                await self._pause(str(error))
            except (ClusterUnavailable, ClusterRefused) as error:
                await self._pause(str(error))

    async def _list(self) -> None:
        query = {"limit": PAGE, **self._query}
        listed: set[Key] = set()
        while True:
            page = await self._api.page(self._path, self._trim, **query)
            for manifest in page.items:
                key = _key(manifest)
                listed.add(key)
                if _version(self.get(*key)) != _version(manifest):
                    self._put(key, manifest)
            if not page.more:
                break
            query = {"limit": PAGE, "continue": page.more, **self._query}
        for key in {_key(manifest) for manifest in self} - listed:
            self._put(key, None)
        self._version = page.version
        if not self.synced.is_set():
            logger.info("cache synced", extra={"path": self._path, "objects": len(listed)})
        self.synced.set()

    async def _watch(self) -> None:
        events = self._api.watch(self._path, self._trim, resourceVersion=self._version, **self._query)
        async for event in events:
            manifest = event.get("object") or {}
            kind = event.get("type")
            if kind in ("ADDED", "MODIFIED"):
                self._put(_key(manifest), manifest)
            elif kind == "DELETED":
                self._put(_key(manifest), None)
            elif kind != "BOOKMARK":
                continue
            self._version = _version(manifest) or self._version
            self._failures = 0

    def _put(self, key: Key, manifest: Json | None) -> None:
        namespace, name = key
        if manifest is not None:
            self._objects.setdefault(namespace, {})[name] = manifest
        elif namespace in self._objects:
            self._objects[namespace].pop(name, None)
            if not self._objects[namespace]:
                del self._objects[namespace]
        for listener in self._listeners:
            listener(key, manifest)

    async def _pause(self, cause: str) -> None:
        part = random.uniform(0.5, 1.0)  # noqa: S311 (spreads load)
        seconds = part * min(PAUSE_SECONDS_LIMIT, FIRST_PAUSE_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        logger.warning("watch interrupted", extra={"path": self._path, "cause": cause, "seconds": seconds})
        await asyncio.sleep(seconds)


def _key(manifest: Mapping[str, Any]) -> Key:
    metadata = manifest.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _version(manifest: Mapping[str, Any] | None) -> str:
    return str(((manifest or {}).get("metadata") or {}).get("resourceVersion") or "")
