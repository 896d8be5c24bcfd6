"""Of several controllers a single one leads: the others do nothing, and a successor takes over."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from support.components.controller_stories import (
    FAST,
    OK,
    Probes,
    connector,
    login,
    ready,
    run,
    running,
    store_with_class,
    until,
)
from support.kubernetes.apistore import ApiStore
from webhook import names
from webhook.cluster import paths
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.reported import is_current

REFUSED = Probe("refused", "status code 401")
LEASE = paths.lease(names.NAMESPACE, names.CONTROLLER_LEASE)


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with store_with_class() as made:
        yield made


def test_a_replica_that_does_not_lead_probes_and_writes_nothing(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00Z"}
    store.put(LEASE, {"kind": "Lease", "metadata": {"namespace": names.NAMESPACE}, "spec": spec})
    probes = Probes()

    async def story() -> None:
        async with running(store, probes) as controller:
            await until(lambda: store.count("GET", LEASE) >= 5)
            connector(store, address="https://other.test")
            await asyncio.sleep(0.2)
            assert not controller.is_leading
            assert probes.asked == []
            assert "status" not in store.get(path)

    run(story())


def test_a_replica_that_lost_the_lease_stops_and_begins_again_when_it_holds_it_again(store: ApiStore) -> None:
    secret, path = login(store), connector(store)

    async def story() -> None:
        async with running(store, Probes(), period_seconds=FAST) as controller:
            await until(lambda: ready(store, path)[0] == "True")
            ours = store.get(LEASE)
            spec = {**ours["spec"], "holderIdentity": "other"}
            store.put(LEASE, {**ours, "spec": spec})
            await until(lambda: not controller.is_leading)
            seen = store.count("GET", secret)
            await asyncio.sleep(5 * FAST)
            assert store.count("GET", secret) == seen
            store.put(LEASE, {**ours, "spec": {**spec, "holderIdentity": ""}})
            await until(lambda: store.count("GET", secret) > seen)

    run(story())


def test_a_connector_that_appears_while_the_lead_ends_is_left_to_the_successor(store: ApiStore) -> None:
    secret, _ = login(store), connector(store)
    ending = asyncio.Event()

    async def reluctant(_registry: RegistryAccess) -> Probe:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.sleep(10 * FAST)
        return OK

    async def story() -> None:
        probes = Probes(reluctant)
        async with running(store, probes):
            await until(lambda: probes.asked)
            ours = store.get(LEASE)
            store.put(LEASE, {**ours, "spec": {**ours["spec"], "holderIdentity": "other"}})
            await ending.wait()
            seen = store.count("GET", secret)
            connector(store, "late")
            await asyncio.sleep(15 * FAST)
            assert store.count("GET", secret) == seen

    run(story())


@pytest.mark.parametrize("answered", [OK, REFUSED])
def test_a_successor_neither_probes_nor_reads_everything_at_once(store: ApiStore, answered: Probe) -> None:
    secret = login(store)
    connectors = [connector(store, f"c-{number}") for number in range(20)]

    async def answer(_registry: RegistryAccess) -> Probe:
        return answered

    first, second = Probes(answer), Probes(answer)

    async def story() -> None:
        async with running(store, first, identity="one"):
            await until(lambda: all(is_current(store.get(path)) for path in connectors))
            await until(lambda: all(ready(store, path)[0] != "Unknown" for path in connectors))
        read = store.count("GET", secret)
        begun = time.monotonic()
        async with running(
            store, second, identity="two", period_seconds=2.0, clock=lambda: 1000.0
        ) as controller:
            await until(lambda: controller.is_leading)
            await until(lambda: store.count("GET", secret) - read >= len(connectors))
            assert time.monotonic() - begun > 0.5, "the first reads are spread over the period"
            assert second.asked == []  # the usual pause is 300 s, with jitter
            login(store, "canary-new")
            await until(lambda: len(set(second.asked)) == len(connectors))

    run(story())
    assert len(first.asked) == len(connectors)
