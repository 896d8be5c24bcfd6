"""The controller against an API server that fails when told, and counts: `tests/api` has it on a real one."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from apistore import ApiStore
from kubernetes.aio.client import Configuration
from registry import Registry as Server

from webhook import names, paths
from webhook.api import KubernetesApi
from webhook.cache import Cache
from webhook.connector_class import PYPI
from webhook.controller.conditions import TYPES, Probe
from webhook.controller.controller import PROBES, Controller
from webhook.controller.lease import Times
from webhook.controller.status import condition, is_current
from webhook.manifests import Registry

OK = Probe("ok", "status code 200")
REFUSED = Probe("refused", "status code 401")
LONG = Times(lease_seconds=60, renew_deadline_seconds=40.0, retry_seconds=0.05)
PATIENCE_SECONDS = 20.0
NEVER = 3600.0
FAST = 0.1
LEASE = paths.lease(names.NAMESPACE, names.CONTROLLER_LEASE)


@pytest.fixture
def store() -> Iterator[ApiStore]:
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
    """What registries answer, by a script; how often, and how many at once."""

    def __init__(self, answer: Callable[[Registry], Awaitable[Probe]] | None = None) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._now = 0
        self._answer = answer or self._ok

    async def __call__(self, registry: Registry) -> Probe:
        self.asked.append(registry.connector.name)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._answer(registry)
        finally:
            self._now -= 1

    @staticmethod
    async def _ok(_registry: Registry) -> Probe:
        return OK


async def hang(_registry: Registry) -> Probe:
    await asyncio.Event().wait()
    return OK


@contextlib.asynccontextmanager
async def running(
    store: ApiStore, probe: Probes, *, identity: str = "one", period_seconds: float = NEVER
) -> AsyncIterator[Controller]:
    async with KubernetesApi(Configuration(host=store.registry.origin)) as api:
        connectors = Cache(api, paths.connectors())
        controller = Controller(
            api,
            connectors,
            identity=identity,
            namespace=names.NAMESPACE,
            probe=probe,
            period_seconds=period_seconds,
            times=LONG,
        )
        connectors.on_change = controller.on_change
        tasks = [asyncio.create_task(one) for one in (connectors.run(), controller.run())]
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


def test_all_conditions_are_told_before_the_registry_answers(store: ApiStore) -> None:
    login(store)
    path = connector(store)

    async def story() -> None:
        async with running(store, Probes(hang)):
            await until(lambda: ready(store, path) == ("Unknown", "NotProbed"))
            assert [one["type"] for one in store.get(path)["status"]["conditions"]] == list(TYPES)
            assert condition(store.get(path), "SecretReady")["status"] == "True"

    run(story())


def test_a_changed_spec_keeps_what_was_told_until_more_is_known(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    answers = [OK]

    async def answer(registry: Registry) -> Probe:
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
            store.refuses = lambda method, asked: 503 if (method, asked) == ("GET", secret) else None
            seen = store.count("GET", secret)
            await until(lambda: store.count("GET", secret) >= seen + 3)
            assert store.get(path) == before
            store.refuses = lambda _method, _asked: None
            store.delete(secret)
            await until(lambda: ready(store, path) == ("False", "SecretNotFound"))

    run(story())


def test_a_status_that_another_wrote_to_meanwhile_is_read_anew(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    conflicts = [409]

    def refuse(method: str, _path: str) -> int | None:
        return conflicts.pop() if method == "PATCH" and conflicts else None

    store.refuses = refuse

    async def story() -> None:
        async with running(store, Probes()):
            await until(lambda: ready(store, path)[0] == "True")
            assert store.count("GET", path) == 1

    run(story())


def test_hanging_registries_hold_nobody_back(store: ApiStore) -> None:
    login(store)
    for number in range(PROBES - 1):
        connector(store, f"hanging-{number}")
    path = connector(store, "well")

    async def answer(registry: Registry) -> Probe:
        return OK if registry.connector.name == "well" else await hang(registry)

    async def story() -> None:
        async with running(store, Probes(answer)):
            await until(lambda: ready(store, path)[0] == "True")

    run(story())


def test_only_so_many_registries_are_asked_at_once(store: ApiStore) -> None:
    login(store)
    for number in range(3 * PROBES):
        connector(store, f"c-{number}")

    async def answer(_registry: Registry) -> Probe:
        await asyncio.sleep(0.05)
        return OK

    probes = Probes(answer)

    async def story() -> None:
        async with running(store, probes):
            await until(lambda: len(probes.asked) == 3 * PROBES)

    run(story())
    assert PROBES / 4 < probes.most_at_once <= PROBES


def test_a_fault_of_ours_in_one_connector_ends_no_other(
    store: ApiStore, caplog: pytest.LogCaptureFixture
) -> None:
    login(store)
    connector(store, "broken")
    path = connector(store, "well")

    async def answer(registry: Registry) -> Probe:
        if registry.connector.name == "broken":
            raise ZeroDivisionError("canary in the text")
        return OK

    async def story() -> None:
        async with running(store, Probes(answer)):
            await until(lambda: ready(store, path)[0] == "True")
            await until(lambda: "internal error" in caplog.text)

    run(story())


def test_who_does_not_lead_asks_and_writes_nothing(store: ApiStore) -> None:
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


def test_who_lost_the_lease_stops_and_begins_again_when_it_has_it_back(store: ApiStore) -> None:
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


def test_a_connector_that_appears_while_the_lead_is_given_up_is_left_to_the_next_one(store: ApiStore) -> None:
    secret, _ = login(store), connector(store)
    ending = asyncio.Event()

    async def reluctant(_registry: Registry) -> Probe:
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
def test_a_successor_neither_asks_nor_reads_everything_at_once(store: ApiStore, answered: Probe) -> None:
    secret = login(store)
    found = [connector(store, f"c-{number}") for number in range(20)]

    async def answer(_registry: Registry) -> Probe:
        return answered

    first, second = Probes(answer), Probes(answer)

    async def story() -> None:
        async with running(store, first, identity="one"):
            await until(lambda: all(is_current(store.get(path)) for path in found))
            await until(lambda: all(ready(store, path)[0] != "Unknown" for path in found))
        read = store.count("GET", secret)
        async with running(store, second, identity="two", period_seconds=2.0) as controller:
            await until(lambda: controller.is_leading)
            await asyncio.sleep(0.2)
            assert store.count("GET", secret) - read < len(found) / 2
            await until(lambda: store.count("GET", secret) - read >= len(found))
            # the usual distance is 300 s, spread: of twenty, hardly one falls into two seconds
            assert len(second.asked) <= (2 if answered is OK else 0)
            login(store, "canary-new")
            await until(lambda: len(set(second.asked)) == len(found))

    run(story())
    assert len(first.asked) == len(found)


def test_a_connector_that_goes_while_its_registry_is_asked_is_left(store: ApiStore) -> None:
    login(store)
    path = connector(store)
    left = asyncio.Event()

    async def answer(registry: Registry) -> Probe:
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
