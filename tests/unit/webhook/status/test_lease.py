"""The leader: how a replica acquires a Lease, renews it, loses it and releases it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from support.kubernetes.apistore import ApiStore
from support.servers.registry import Registry
from webhook.cluster import paths
from webhook.cluster.kubernetes import KubernetesApi
from webhook.status.lease import Lease, Sighting, Times, held, may_hold, released, sighted

PATH = paths.lease("system", "controller")
FAST = Times(lease_seconds=4, renew_deadline_seconds=1.0, retry_seconds=0.05, release_seconds=1.0)
LONG = Times(lease_seconds=60, renew_deadline_seconds=40.0, retry_seconds=0.05)
"""With these, what happens within the test's patience happens at once"""
PATIENCE_SECONDS = 60.0
LATE_SECONDS = 10.0

LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"


def lease(holder: str, *, renewed: str = LONG_AGO, seconds: int = 15, **labels: str) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": renewed}
    return {"metadata": {"resourceVersion": "1", "labels": labels}, "spec": spec}


@pytest.mark.parametrize("renewed", [LONG_AGO, FAR_AHEAD])
@pytest.mark.parametrize(
    ("holder", "unchanged_seconds", "expected"),
    [
        ("", 0, True),
        ("me", 0, True),
        ("other", 0, False),
        ("other", 14.9, False),
        ("other", 15, True),
    ],
)
def test_our_own_clock_alone_decides_whether_it_may_be_acquired(
    holder: str, unchanged_seconds: float, expected: bool, renewed: str
) -> None:
    first = sighted(None, lease(holder, renewed=renewed), 100.0)
    assert may_hold(first, "me", 100.0 + unchanged_seconds) is expected


def test_a_lease_that_is_renewed_lives_on() -> None:
    first = sighted(None, lease("other", renewed="a"), 100.0)
    again = sighted(first, lease("other", renewed="b"), 110.0)
    assert not may_hold(again, "me", 124.9)
    assert may_hold(again, "me", 125.0)


def test_an_unchanged_lease_grows_old_whatever_is_written_beside_its_spec() -> None:
    first = sighted(None, lease("other"), 100.0)
    assert sighted(first, lease("other", label="new"), 110.0).since == 100.0


def test_transitions_count_the_holders() -> None:
    first = held({}, "a", 15, "t1")
    renewed = held(first, "a", 15, "t2")
    taken = held(released(renewed, "t3"), "b", 15, "t4")
    assert [spec["leaseTransitions"] for spec in (first, renewed, taken)] == [0, 0, 1]
    assert [spec["acquireTime"] for spec in (first, renewed, taken)] == ["t1", "t1", "t4"]
    assert [spec["renewTime"] for spec in (first, renewed, taken)] == ["t1", "t2", "t4"]


def test_a_released_lease_may_be_acquired_at_once() -> None:
    free = {"spec": released(lease("other")["spec"], "now")}
    assert may_hold(Sighting(free, 100.0), "me", 100.0)


# -- against a server


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with Registry() as registry:
        yield ApiStore(registry)


class Replica:
    """The Lease of a process, and whether its work runs."""

    def __init__(self, store: ApiStore, name: str, times: Times = FAST) -> None:
        self.name = name
        self.is_working = False
        self.started = 0
        self._store = store
        self._times = times

    async def work(self) -> None:
        self.is_working = True
        self.started += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.is_working = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        async with KubernetesApi(Configuration(host=self._store.registry.origin)) as api:
            ours = Lease(api, namespace="system", name="controller", identity=self.name, times=self._times)
            task = asyncio.create_task(ours.run(self.work))
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 2 * PATIENCE_SECONDS))


async def until(predicate: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Returns the seconds that it took."""
    begun = time.monotonic()
    while not predicate():
        assert time.monotonic() < begun + seconds
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


def test_of_two_replicas_a_single_replica_works_and_the_other_takes_over_at_once(store: ApiStore) -> None:
    first, second = Replica(store, "first", LONG), Replica(store, "second", LONG)

    async def story() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with first.running():
                await until(lambda: first.is_working)
                await stack.enter_async_context(second.running())
                for _ in range(20):
                    await asyncio.sleep(FAST.retry_seconds)
                    assert first.is_working
                    assert not second.is_working
            await until(lambda: second.is_working)
            assert store.get(PATH)["spec"]["holderIdentity"] == "second"

    run(story())


def test_it_is_released_when_the_process_ends(store: ApiStore) -> None:
    replica = Replica(store, "first")

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)
        assert not replica.is_working

    run(story())
    assert store.get(PATH)["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_it_is_released_even_if_the_process_ends_while_it_writes(store: ApiStore, verb: str) -> None:
    """The write under way arrives, its answer is not read, and the known version is outdated."""
    if verb == "PUT":
        store.put(PATH, {"kind": "Lease", "metadata": {}, **lease("")})
    replica = Replica(store, "first", LONG)
    arrived: list[str] = []

    def late(method: str, _path: str) -> int | None:
        if method == verb and not arrived:
            arrived.append(method)
            store.reply_later(LATE_SECONDS)
        return None

    store.refuses = late

    async def story() -> None:
        async with replica.running():
            await until(lambda: PATH in store.paths and store.get(PATH)["spec"]["holderIdentity"] == "first")

    run(story())
    assert not replica.started
    assert store.get(PATH)["spec"]["holderIdentity"] == ""


def test_the_work_has_ended_before_the_lease_is_released(store: ApiStore) -> None:
    ends: list[str] = []

    class Slow(Replica):
        async def work(self) -> None:
            try:
                await super().work()
            finally:
                await asyncio.sleep(0.2)
                ends.append(store.get(PATH)["spec"]["holderIdentity"])

    replica = Slow(store, "first")

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)

    run(story())
    assert ends == ["first"]


def test_a_holder_that_was_cut_off_is_succeeded_when_its_lease_expires(store: ApiStore) -> None:
    store.put(PATH, {"kind": "Lease", "metadata": {}, **lease("dead", renewed=FAR_AHEAD, seconds=1)})
    replica = Replica(store, "first")

    async def story() -> None:
        async with replica.running():
            assert await until(lambda: replica.is_working) > 0.9

    run(story())


def test_a_leader_that_cannot_renew_stops_before_its_lease_expires(store: ApiStore) -> None:
    replica = Replica(store, "first")

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)
            store.refuses = lambda _method, _path: 503
            assert await until(lambda: not replica.is_working) < FAST.lease_seconds
            store.refuses = lambda _method, _path: None
            await until(lambda: replica.is_working)
            assert replica.started == 2

    run(story())


def test_a_leader_that_gets_no_answer_stops_in_time(store: ApiStore) -> None:
    replica = Replica(store, "first")

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)
            store.registry.on("*", lambda call: call.gone.wait(LATE_SECONDS))
            assert await until(lambda: not replica.is_working) < FAST.lease_seconds

    run(story())


def test_a_leader_that_was_succeeded_stops_at_once(store: ApiStore) -> None:
    replica = Replica(store, "first", LONG)

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)
            store.put(PATH, {"kind": "Lease", **lease("usurper")})
            await until(lambda: not replica.is_working)
        # a Lease of another replica is not released
        assert store.get(PATH)["spec"]["holderIdentity"] == "usurper"

    run(story())


def test_a_lost_race_is_no_loss(store: ApiStore) -> None:
    replica = Replica(store, "first")
    conflicts = [409, 409]

    def refuse(method: str, _path: str) -> int | None:
        return conflicts.pop() if method == "PUT" and conflicts else None

    async def story() -> None:
        async with replica.running():
            await until(lambda: replica.is_working)
            store.refuses = refuse
            await until(lambda: not conflicts)
            renewed = store.count("PUT", PATH)
            await until(lambda: store.count("PUT", PATH) > renewed)
            assert replica.started == 1
            assert replica.is_working

    run(story())


def test_work_that_fails_ends_the_process_and_releases_the_lease(store: ApiStore) -> None:
    class Failing(Replica):
        async def work(self) -> None:
            raise ZeroDivisionError

    async def story() -> None:
        async with Failing(store, "first").running() as task:
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(task, PATIENCE_SECONDS)

    run(story())
    assert store.get(PATH)["spec"]["holderIdentity"] == ""
