"""The controller against an API server that fails on command and counts; registries answer by a script."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

from kubernetes.aio.client import Configuration

from support.kubernetes.apistore import ApiStore
from support.servers.registry import Registry as Server
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.connector_class import PYPI
from webhook.cluster.kubernetes import KubernetesApi
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.connector_trim import spec_and_status
from webhook.status.controller import Controller
from webhook.status.gateway import Gateway
from webhook.status.lease import Lease, Times
from webhook.status.reported import condition

OK = Probe("ok", "status code 200")
LONG = Times(lease_seconds=60, renew_deadline_seconds=40.0, retry_seconds=0.05)
PATIENCE_SECONDS = 20.0
NEVER = 3600.0
FAST = 0.1


@contextlib.contextmanager
def store_with_class() -> Iterator[ApiStore]:
    with Server() as server:
        made = ApiStore(server)
        made.put(paths.connector_class("pypi"), PYPI)
        yield made


def connector(store: ApiStore, name: str = "pypi", **spec: Any) -> str:
    """Its path."""
    path = paths.connector("team", name)
    chosen = {
        "connectorClassName": "pypi",
        "address": f"https://{name}.test",
        "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
        **spec,
    }
    store.put(path, {"kind": "Connector", "metadata": {"namespace": "team", "name": name}, "spec": chosen})
    return path


def login(store: ApiStore, password: str = "canary-password", **labels: str) -> str:  # noqa: S107
    path = paths.secret("team", "login")
    data = {"username": "robot", "password": password}
    store.put(
        path,
        {
            "kind": "Secret",
            "metadata": {"namespace": "team", "name": "login", "labels": labels},
            "type": names.SECRET_TYPE,
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
        },
    )
    return path


class Probes:
    """Scripted answers of registries; counts probes, and how many run at once."""

    def __init__(self, answer: Callable[[RegistryAccess], Awaitable[Probe]] | None = None) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._now = 0
        self._answer = answer or self._ok

    async def __call__(self, registry: RegistryAccess) -> Probe:
        self.asked.append(registry.connector.name)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._answer(registry)
        finally:
            self._now -= 1

    @staticmethod
    async def _ok(_registry: RegistryAccess) -> Probe:
        return OK


async def hang(_registry: RegistryAccess) -> Probe:
    await asyncio.Event().wait()
    return OK


@contextlib.asynccontextmanager
async def running(
    store: ApiStore,
    probe: Probes,
    *,
    identity: str = "one",
    period_seconds: float = NEVER,
    clock: Callable[[], float] = time.monotonic,
    gateway_seconds: float = NEVER,
) -> AsyncIterator[Controller]:
    async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
        connectors = Cache(api, paths.connectors(), spec_and_status)
        classes = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
        controller = Controller(
            api,
            connectors,
            classes,
            Lease(api, namespace=names.NAMESPACE, name=names.CONTROLLER_LEASE, identity=identity, times=LONG),
            gateway=Gateway(
                api, namespace=names.NAMESPACE, domain="cluster.local", look_seconds=gateway_seconds
            ),
            probe=probe,
            period_seconds=period_seconds,
            clock=clock,
        )
        tasks = [asyncio.create_task(one) for one in (connectors.run(), classes.run(), controller.run())]
        try:
            yield controller
            assert [task for task in tasks if task.done()] == []
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 4 * PATIENCE_SECONDS))


async def until(predicate: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not predicate():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def ready(store: ApiStore, path: str) -> tuple[str, str]:
    one = condition(store.get(path), "Ready")
    return one.get("status", ""), one.get("reason", "")
