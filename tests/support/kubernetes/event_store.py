"""The Events of an API server that fails on command, and a recorder that writes to it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from kubernetes.aio.client import Configuration

from support.servers.registry import Call, Registry
from webhook.cluster.events import EventRecorder
from webhook.cluster.kubernetes import KubernetesApi

PATIENCE_SECONDS = 10.0


class Store:
    """The Events that an API server keeps; `failures` are answered instead, each once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.events: dict[str, dict[str, Any]] = {}
        self.failures: list[tuple[int, str]] = []
        self.answered = 0
        registry.on("*", self._answer)

    def _answer(self, call: Call) -> None:
        call.read_body()
        path, body = call.request.target, json.loads(call.request.body)
        status, answer = self._act(call.request.method, path, body)
        self.answered += 1
        call.reply(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _act(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.failures:
            status, message = self.failures.pop(0)
            return status, {"message": message}
        if method == "POST":
            name = f"{path}/{body['metadata']['name']}"
            if name in self.events:
                return 409, {"message": "already exists"}
            self.events[name] = body
            return 201, body
        if path not in self.events:
            return 404, {"message": "not found"}
        self.events[path] |= body
        return 200, self.events[path]

    def told(self) -> list[tuple[str, str, int]]:
        return [(one["type"], one["reason"], one["count"]) for one in self.events.values()]

    async def until(self, condition: Callable[["Store"], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition(self):
            assert time.monotonic() < deadline, (self.events, self.registry.requests)
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def recording(store: Store, *, runs: bool = True, **options: Any) -> AsyncIterator[EventRecorder]:
    async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
        recorder = EventRecorder(api, "pypi-connector", "broker-1", **options)
        task = asyncio.create_task(recorder.run() if runs else asyncio.sleep(0))
        try:
            yield recorder
            assert not runs or not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 4 * PATIENCE_SECONDS))
