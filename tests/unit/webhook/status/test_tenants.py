"""A namespace with a thousand Connectors that lead nowhere, and its neighbours: by a clock that jumps."""

import asyncio
import contextlib
import functools
import gc
import time
from collections import deque
from collections.abc import AsyncIterator

import pytest

from support.components import controller_stories as stories
from support.kubernetes.memory_api import MemoryApi
from support.machine.virtual_time import run_virtually
from support.servers.registry import Registry as Server
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.connector_class import PYPI
from webhook.cluster.events import EventRecorder
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.connector_trim import spec_and_status
from webhook.status.controller import Controller
from webhook.status.lease import Lease, Times
from webhook.status.probe import probe as real_probe
from webhook.status.prober import PROBES_LIMIT
from webhook.status.reported import condition

SILENT = 1500
TIMEOUT_SECONDS = 10.0
SOON_SECONDS = 5.0
GREEDY, TENANT = "greedy", "tenant"
LONG = Times(lease_seconds=60, renew_deadline_seconds=40.0, retry_seconds=0.05)


def connector(api: MemoryApi, namespace: str, name: str, **spec: object) -> str:
    path = paths.connector(namespace, name)
    chosen = {"connectorClassName": "pypi", "address": f"https://{name}.{namespace}.test", **spec}
    metadata = {"namespace": namespace, "name": name}
    api.put(path, {"kind": "Connector", "metadata": metadata, "spec": chosen})
    return path


async def probe(registry: RegistryAccess) -> Probe:
    if registry.connector.namespace == TENANT:
        return Probe("ok", "status code 200")
    await asyncio.sleep(TIMEOUT_SECONDS)
    return Probe("unreachable", "no answer within 10 s")


def greedy(api: MemoryApi, namespaces: int = 1) -> None:
    for number in range(SILENT):
        connector(api, f"{GREEDY}-{number % namespaces}", f"silent-{number}")


@contextlib.asynccontextmanager
async def leading(api: MemoryApi, *, records: bool = False) -> AsyncIterator[None]:
    api.store.put(paths.connector_class(names.CONNECTOR_CLASS), PYPI)
    connectors = Cache(api, paths.connectors(), spec_and_status)
    recorder = EventRecorder(api, "pypi-connector", "one") if records else None
    classes = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
    controller = Controller(
        api,
        connectors,
        classes,
        Lease(api, namespace=names.NAMESPACE, name=names.CONTROLLER_LEASE, identity="one", times=LONG),
        recorder=recorder,
        probe=probe,
        clock=asyncio.get_running_loop().time,
    )
    running = [connectors.run(), classes.run(), controller.run(), *([recorder.run()] if recorder else [])]
    tasks = [asyncio.create_task(work) for work in running]
    try:
        yield
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def seconds_until_ready(api: MemoryApi, path: str) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while condition(api.store.get(path), "Ready").get("status") != "True":
        await asyncio.sleep(0.05)
        assert loop.time() < begun + 600, "never"
    return loop.time() - begun


@pytest.mark.parametrize("namespaces", [1, 3])
def test_a_tenant_gets_its_status_beside_1500_silent_registries(namespaces: int) -> None:
    async def story() -> float:
        api = MemoryApi()
        greedy(api, namespaces)
        async with leading(api):
            await asyncio.sleep(30)  # all probes are under way
            return await seconds_until_ready(api, connector(api, TENANT, "pypi"))

    assert run_virtually(story()) < SOON_SECONDS


def test_a_new_leader_starves_no_tenant() -> None:
    async def story() -> float:
        api = MemoryApi()
        greedy(api)
        path = connector(api, TENANT, "pypi")
        async with leading(api):
            return await seconds_until_ready(api, path)

    assert run_virtually(story()) < SOON_SECONDS


def test_waiting_connectors_hold_neither_credential_nor_ca() -> None:
    """A CA may have a mebibyte, and 1,500 Connectors wait for their probes."""

    async def story() -> tuple[int, int]:
        api = MemoryApi()
        greedy(api)
        async with leading(api):
            await asyncio.sleep(30)
            waiting = sum(
                len(thing) for thing in gc.get_objects() if isinstance(thing, deque) and _is_queue(thing)
            )
            return waiting, sum(isinstance(thing, RegistryAccess) for thing in gc.get_objects())

    waiting, held = run_virtually(story())
    assert waiting > 1000
    assert held <= PROBES_LIMIT


def _is_queue(thing: deque[object]) -> bool:
    return bool(thing) and isinstance(thing[0], asyncio.Future)


def test_a_tenants_event_is_written_beside_thousands_of_others() -> None:
    async def story() -> float:
        api = MemoryApi()
        for number in range(2 * SILENT):  # each has an Event: there is no such class
            connector(api, GREEDY, f"wrong-{number}", connectorClassName="npm")
        async with leading(api, records=True):
            await asyncio.sleep(2)
            connector(api, TENANT, "pypi")
            loop = asyncio.get_running_loop()
            begun = loop.time()
            place = paths.events(TENANT)
            while not any(path.startswith(place) for path in api.store.paths):
                await asyncio.sleep(0.05)
                assert loop.time() < begun + 600, "never"
            return loop.time() - begun

    assert run_virtually(story()) < SOON_SECONDS


def test_over_real_sockets_a_silent_server_delays_no_tenant() -> None:
    silent = 150
    """More than are asked at once, in all"""
    with stories.store_with_class() as store, Server() as nobody, Server() as well:
        nobody.on("*", lambda call: call.wait_gone() and None)
        well.on("*", lambda call: call.reply(200, b"", {"Content-Type": "text/html"}))

        def declare(namespace: str, name: str, address: str) -> str:
            path = paths.connector(namespace, name)
            spec = {"connectorClassName": "pypi", "address": address}
            metadata = {"namespace": namespace, "name": name}
            store.put(path, {"kind": "Connector", "metadata": metadata, "spec": spec})
            return path

        async def story() -> float:
            for number in range(silent):
                declare(GREEDY, f"silent-{number}", f"{nobody.origin}/{number}")
            asking = stories.Probes(functools.partial(real_probe, is_loopback_allowed=True))
            async with stories.running(store, asking):
                await stories.until(lambda: len(nobody.requests) >= 60)
                begun = time.monotonic()
                path = declare(TENANT, "pypi", well.origin)
                await stories.until(lambda: stories.ready(store, path)[0] == "True")
                return time.monotonic() - begun

        assert asyncio.run(story()) < SOON_SECONDS
