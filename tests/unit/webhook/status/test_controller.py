"""The controller against a scripted API server that counts. `tests/api` runs it against a real API server."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from support.components.controller_stories import (
    FAST,
    OK,
    PATIENCE_SECONDS,
    Probes,
    connector,
    hang,
    login,
    ready,
    run,
    running,
    store_with_class,
    until,
)
from support.kubernetes.apistore import ApiStore
from webhook.cluster.trim import is_abridged
from webhook.connector.conditions import TYPES, Probe
from webhook.connector.registry import RegistryAccess
from webhook.identifiers import ConnectorKey
from webhook.status.prober import PROBES_LIMIT
from webhook.status.reported import condition
from webhook.status.schedule import DOUBT_SECONDS, JITTER, REFUSED_ONCE_SECONDS

REFUSED = Probe("refused", "status code 401")


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with store_with_class() as made:
        yield made


def test_all_conditions_are_written_before_the_registry_answers(store: ApiStore) -> None:
    login(store)
    path = connector(store)

    async def story() -> None:
        async with running(store, Probes(hang)):
            await until(lambda: ready(store, path) == ("Unknown", "NotProbed"))
            assert [condition["type"] for condition in store.get(path)["status"]["conditions"]] == list(TYPES)
            assert condition(store.get(path), "SecretReady")["status"] == "True"

    run(story())


def test_after_a_changed_spec_the_conditions_stay_until_the_next_probe(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    answers = [OK]

    async def answer(registry: RegistryAccess) -> Probe:
        return answers.pop() if answers else await hang(registry)

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes):
            await until(lambda: ready(store, path)[0] == "True")
            connector(store, address="https://other.test")
            await until(lambda: len(probes.asked) == 2)
            assert ready(store, path)[0] == "True"
            assert store.get(path)["status"]["observedGeneration"] == 1

    run(story())


def test_an_api_server_that_does_not_answer_changes_no_status(store: ApiStore) -> None:
    secret, path = login(store), connector(store)

    async def story() -> None:
        async with running(store, Probes(), period_seconds=FAST):
            await until(lambda: ready(store, path)[0] == "True")
            before = store.get(path)
            store.refuses = lambda method, path: 503 if (method, path) == ("GET", secret) else None
            seen = store.count("GET", secret)
            await until(lambda: store.count("GET", secret) >= seen + 3)
            assert store.get(path) == before
            store.refuses = lambda _method, _path: None
            store.delete(secret)
            await until(lambda: ready(store, path) == ("False", "SecretNotFound"))

    run(story())


def test_a_status_that_another_writer_changed_meanwhile_is_read_anew(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    conflicts = [409]

    def refuse(method: str, patched: str) -> int | None:
        return conflicts.pop() if method == "PATCH" and patched.startswith(path) and conflicts else None

    store.refuses = refuse

    async def story() -> None:
        async with running(store, Probes()):
            await until(lambda: ready(store, path)[0] == "True")
            assert store.count("GET", path) == 1

    run(story())


def test_hanging_registries_delay_no_other(store: ApiStore) -> None:
    login(store)
    for number in range(PROBES_LIMIT // 2 - 1):
        connector(store, f"hanging-{number}")
    path = connector(store, "well")

    async def answer(registry: RegistryAccess) -> Probe:
        return OK if registry.connector.name == "well" else await hang(registry)

    async def story() -> None:
        async with running(store, Probes(answer)):
            await until(lambda: ready(store, path)[0] == "True")

    run(story())


def test_the_number_of_registries_probed_at_once_is_limited(store: ApiStore) -> None:
    login(store)
    for number in range(3 * PROBES_LIMIT):
        connector(store, f"c-{number}")
    share = PROBES_LIMIT // 2
    """The places that one namespace gets"""

    async def answer(_registry: RegistryAccess) -> Probe:
        await until(lambda: probes.most_at_once >= share)
        await asyncio.sleep(FAST)  # a higher limit would show now
        return OK

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes):
            await until(lambda: len(probes.asked) == 3 * PROBES_LIMIT)

    run(story())
    assert probes.most_at_once == share


def test_a_fault_of_ours_in_one_connector_ends_no_other(
    store: ApiStore, caplog: pytest.LogCaptureFixture
) -> None:
    login(store)
    connector(store, "broken")
    path = connector(store, "well")

    async def answer(registry: RegistryAccess) -> Probe:
        if registry.connector.name == "broken":
            raise ZeroDivisionError("canary in the text")
        return OK

    async def story() -> None:
        async with running(store, Probes(answer)):
            await until(lambda: ready(store, path)[0] == "True")
            await until(lambda: "internal error" in caplog.text)

    run(story())


def test_a_connector_that_is_deleted_during_its_probe_is_left_alone(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    left = asyncio.Event()

    async def answer(registry: RegistryAccess) -> Probe:
        try:
            return await hang(registry)
        finally:
            left.set()

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes):
            await until(lambda: probes.asked)
            store.delete(path)
            await asyncio.wait_for(left.wait(), PATIENCE_SECONDS)

    run(story())


def test_a_connector_whose_pods_are_not_served_is_looked_at_at_once(store: ApiStore) -> None:
    """Otherwise its status would say Ready for up to six minutes more."""
    login(store)
    path = connector(store)
    answers, now = [OK, REFUSED, OK], [1000.0]

    async def answer(registry: RegistryAccess) -> Probe:
        return answers.pop(0)

    async def story() -> None:
        async with running(store, Probes(answer), clock=lambda: now[0], period_seconds=FAST) as controller:
            await until(lambda: ready(store, path)[0] == "True")
            controller.doubt(ConnectorKey("team", "pypi"))
            controller.doubt(ConnectorKey("team", "another"))
            await asyncio.sleep(3 * FAST)
            assert len(answers) == 2  # it was probed a moment ago
            now[0] += DOUBT_SECONDS
            controller.doubt(ConnectorKey("team", "pypi"))
            await until(lambda: ready(store, path) == ("False", "AuthenticationFailed"))
            for _ in range(10):
                controller.doubt(ConnectorKey("team", "pypi"))
                now[0] += 1
            assert len(answers) == 1  # more tries would only lock the account
            now[0] += REFUSED_ONCE_SECONDS * (1 + JITTER)
            await until(lambda: ready(store, path)[0] == "True")

    run(story())


def test_a_doubt_that_comes_during_a_look_leads_to_a_probe(store: ApiStore) -> None:
    """The look began with the earlier probe, and must not write it back."""
    secret = login(store)
    path = connector(store)
    key, now, probes, is_doubted = ConnectorKey("team", "pypi"), [1000.0], Probes(), threading.Event()

    async def story() -> None:
        async with running(store, probes, clock=lambda: now[0]) as controller:
            await until(lambda: ready(store, path)[0] == "True")
            now[0] += DOUBT_SECONDS
            loop = asyncio.get_running_loop()

            def doubt() -> None:
                controller.doubt(key)
                is_doubted.set()

            def doubt_first(method: str, path: str) -> int | None:
                if (method, path) == ("GET", secret) and not is_doubted.is_set():
                    loop.call_soon_threadsafe(doubt)
                    is_doubted.wait(PATIENCE_SECONDS)
                return None

            store.refuses = doubt_first
            controller._tracked[key].changed.set()  # a look without a probe
            await until(lambda: len(probes.asked) == 2)

    run(story())


def test_a_spec_that_is_too_large_for_the_cache_is_read_when_it_is_needed(store: ApiStore) -> None:
    login(store)
    lists = [{"name": name, "value": "a-package " * 400} for name in ("allowPackages", "denyPackages", "x")]
    path = connector(store, params=lists)

    async def story() -> None:
        async with running(store, Probes()) as controller:
            await until(lambda: ready(store, path) == ("False", "InvalidParameter"))
            connector(store, params=lists[:1] + lists[1:2] + [{"name": "indexPath", "value": "y" * 2000}])
            await until(lambda: ready(store, path)[0] == "True")
            assert is_abridged(controller._tracked["team", "pypi"].manifest)

    run(story())


def test_large_foreign_conditions_stay_in_the_object_and_out_of_the_cache(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    flood = {"type": "Flooded", "status": "True", "reason": "Flood", "message": "x" * 20_000}
    store.put(path, {**store.get(path), "status": {"conditions": [flood]}})

    async def story() -> None:
        async with running(store, Probes()) as controller:
            await until(lambda: ready(store, path)[0] == "True")
            assert store.get(path)["status"]["conditions"][0] == flood
            await until(lambda: condition(controller._tracked["team", "pypi"].manifest, "Ready"))
            assert len(str(controller._tracked["team", "pypi"].manifest)) < 10_000

    run(story())


def test_a_secret_that_changes_while_its_connector_waits_for_a_place_is_used(store: ApiStore) -> None:
    login(store)
    path, now, probes = connector(store), [1000.0], Probes()

    async def story() -> None:
        async with running(store, probes, clock=lambda: now[0]) as controller:
            await until(lambda: ready(store, path)[0] == "True")
            async with contextlib.AsyncExitStack() as places:
                for _ in range(PROBES_LIMIT // 2):
                    await places.enter_async_context(controller._prober.places.hold("team"))
                now[0] += 400
                controller._tracked["team", "pypi"].changed.set()  # the next look, which waits for a place
                await asyncio.sleep(3 * FAST)
                login(store, password="canary-changed")
            await until(lambda: len(probes.asked) == 2)

    run(story())
