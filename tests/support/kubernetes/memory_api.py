"""The small API server of `apistore` without a network, for tests with a virtual clock, which has no sockets.

Each call takes `CALL_SECONDS` of that clock.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

from support.kubernetes.apistore import ApiStore, _is_in
from webhook.cluster.api import Page
from webhook.cluster.trim import Trim, whole
from webhook.errors import Conflict, NotFound

Json = dict[str, Any]

CALL_SECONDS = 0.005


class MemoryApi:
    """Implements `webhook.cluster.api.Api`."""

    def __init__(self) -> None:
        self.store = ApiStore(SimpleNamespace(on=lambda *_: None))  # type: ignore[arg-type]
        self._changed = asyncio.Event()

    def put(self, path: str, one: Json) -> None:
        self.store.put(path, one)
        self._changed.set()

    async def get(self, path: str, *, trim: Trim = whole, **_: Any) -> Json | None:
        try:
            return trim(await self._act("GET", path))
        except NotFound:
            return None

    async def list(self, path: str, **_: str) -> Json:
        return await self._act("GET", path)

    async def page(self, path: str, trim: Trim, **query: str) -> Page:
        listed = await self.list(path)
        return Page([trim(one) for one in listed["items"]], "", listed["metadata"]["resourceVersion"])

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        return await self._act("POST", path, body)

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        return await self._act("PUT", path, body)

    async def patch(self, path: str, body: object, kind: str = "merge", *, trim: Trim = whole) -> Json:
        return trim(await self._act("PATCH", path, body))

    async def delete(self, path: str, *, version: str) -> None:
        await self._act("DELETE", path, {"preconditions": {"resourceVersion": version}})

    async def text(self, path: str, **_: str) -> str:
        raise NotFound(path)

    async def watch(self, path: str, trim: Trim, **query: str) -> AsyncIterator[Json]:
        seen = int(query["resourceVersion"])
        while True:
            self._changed.clear()
            new = self.store._events[seen:]
            seen += len(new)
            for kind, one in new:
                if _is_in(path, one):
                    yield {"type": kind, "object": trim(copy.deepcopy(one))}
            if not new:
                await self._changed.wait()

    async def _act(self, method: str, path: str, body: Any = None) -> Json:
        await asyncio.sleep(CALL_SECONDS)
        with self.store._changed:
            status, answer = self.store._act(method, path, copy.deepcopy(body))
        self.store.calls.append((method, path))
        self._changed.set()
        if status == 404:
            raise NotFound(path)
        if status == 409:
            raise Conflict(path)
        return copy.deepcopy(answer)
