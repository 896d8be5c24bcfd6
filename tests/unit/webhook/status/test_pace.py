"""The pace of probes: an author of Connectors cannot make the broker try addresses without limit."""

import asyncio
from collections.abc import Iterator

import pytest

from support.components.controller_stories import (
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
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.pace import BURST, REFILL_SECONDS, Pace

GONE = Probe("unreachable", "no registry answers", "connection refused")


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with store_with_class() as made:
        yield made


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(pace: Pace, namespace: str, wished: int) -> int:
    return sum(pace.take(namespace) for _ in range(wished))


def test_a_namespace_has_its_burst_and_then_single_probes_and_others_do_not_notice() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert taken(pace, "eve", 10 * BURST) == BURST
    assert taken(pace, "team", 1) == 1
    clock.now += REFILL_SECONDS
    assert taken(pace, "eve", 10) == 1
    clock.now += 3600
    assert taken(pace, "eve", 10 * BURST) == BURST


def test_a_probe_that_succeeds_costs_nothing() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(10 * BURST):
        assert pace.take("team")
        pace.give_back("team")
    assert taken(pace, "team", 10 * BURST) == BURST


def test_namespaces_with_a_full_bucket_are_forgotten() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(100):
        pace.take(str(number))
        pace.give_back(str(number))
    assert pace.remembered == 0


def test_probes_of_connectors_that_lead_nowhere_are_limited(store: ApiStore) -> None:
    login(store)
    for number in range(2 * BURST):
        connector(store, f"c-{number}")

    async def answer(_registry: RegistryAccess) -> Probe:
        return GONE

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes, clock=Clock()):
            await until(lambda: len(probes.asked) >= BURST)
            await asyncio.sleep(1.5)

    run(story())
    assert len(probes.asked) == BURST


def test_probes_of_an_address_that_is_changed_again_and_again_are_limited(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    answers: list[str] = []

    async def answer(registry: RegistryAccess) -> Probe:
        answers.append(registry.connector.address)
        return GONE

    async def story() -> None:
        async with running(store, Probes(answer), clock=Clock()):
            for number in range(BURST + 20):
                connector(store, address=f"https://10.0.0.{number}")
                await asyncio.sleep(0.03)
            await until(lambda: ready(store, path)[0] == "False")

    run(story())
    assert len(answers) <= BURST


def test_registries_that_answer_do_not_wait(store: ApiStore) -> None:
    login(store)
    for number in range(3 * BURST):
        connector(store, f"c-{number}")

    async def answer(_registry: RegistryAccess) -> Probe:
        return OK

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes):
            await until(lambda: len(probes.asked) == 3 * BURST)

    run(story())


def test_a_connector_that_is_corrected_while_it_waits_gets_a_look(store: ApiStore) -> None:
    login(store)
    paths = [connector(store, f"c-{number}") for number in range(BURST + 20)]

    async def answer(_registry: RegistryAccess) -> Probe:
        return GONE

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes, clock=Clock()):
            await until(lambda: len(probes.asked) >= BURST)
            waiting = next(path for path in reversed(paths) if ready(store, path)[1] == "NotProbed")
            connector(store, waiting.rpartition("/")[2], address="ftp://nowhere")
            await until(lambda: ready(store, waiting) == ("False", "InvalidAddress"))

    run(story())
