"""Events against a scripted API server: they are counted, seldom written, and delay no caller."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from support.kubernetes.event_store import Store, recording, run
from support.machine.times import soon
from support.servers.registry import Registry
from webhook.cluster import event_series as series_module
from webhook.cluster.api import REQUEST_SECONDS
from webhook.cluster.event_series import EVENTS_PER_OBJECT_LIMIT
from webhook.cluster.events import EventRecorder

POD = {"apiVersion": "v1", "kind": "Pod", "namespace": "team", "name": "job", "uid": "u-1"}
NEVER = 3600.0


@pytest.fixture
def store() -> Iterator[Store]:
    with Registry() as registry:
        yield Store(registry)


async def refuse(recorder: EventRecorder, message: str = "no", **options: Any) -> None:
    await recorder.record(POD, reason="AccessDenied", message=message, kind="Warning", **options)


def test_an_event_says_everything_that_kubectl_shows(store: Store) -> None:
    connector = {"apiVersion": "g/v1", "kind": "Connector", "namespace": "team", "name": "pypi"}

    async def test() -> None:
        now = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
        async with recording(store, now=lambda: now) as recorder:
            await refuse(recorder, related=connector)
            await store.until(lambda it: len(it.events) == 1)

    run(test())
    [(path, event)] = store.events.items()
    name = path.removeprefix("/api/v1/namespaces/team/events/")
    assert name.startswith("job.")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "team"},
        "involvedObject": POD,
        "related": connector,
        "reason": "AccessDenied",
        "message": "no",
        "type": "Warning",
        "count": 1,
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "source": {"component": "pypi-connector"},
        "reportingComponent": "pypi-connector",
        "reportingInstance": "broker-1",
    }


def test_repeats_within_the_period_are_a_single_write(store: Store) -> None:
    async def test() -> None:
        async with recording(store, period_seconds=NEVER) as recorder:
            await refuse(recorder)
            await store.until(lambda it: it.answered == 1)
            for _ in range(50):
                await refuse(recorder)
            await refuse(recorder, "another")
            await store.until(lambda it: len(it.events) == 2)

    run(test())
    assert store.told() == [("Warning", "AccessDenied", 1)] * 2
    assert store.answered == 2


def test_repeats_are_counted_in_the_same_event_when_the_period_is_over(store: Store) -> None:
    async def test() -> None:
        async with recording(store, period_seconds=0.05) as recorder:
            await refuse(recorder)
            await store.until(lambda it: it.answered == 1)
            for _ in range(50):
                await refuse(recorder)
            await store.until(lambda it: it.told() == [("Warning", "AccessDenied", 51)])

    run(test())
    assert store.answered < 10


def test_an_event_of_another_replica_is_counted_on(store: Store) -> None:
    async def test() -> None:
        async with recording(store) as recorder:
            await refuse(recorder)
            await refuse(recorder)
            await store.until(lambda it: it.told() == [("Warning", "AccessDenied", 2)])
        async with recording(store) as recorder:
            await refuse(recorder)
            await store.until(lambda it: it.told() == [("Warning", "AccessDenied", 3)])

    run(test())


def test_an_event_without_repeats_stays_as_another_replica_wrote_it(store: Store) -> None:
    async def test() -> None:
        for _ in range(2):
            before = store.answered
            async with recording(store, period_seconds=0.0) as recorder:
                for _ in range(3):
                    await recorder.record(POD, reason="Granted", message="x", kind="Normal", once=True)
                    await store.until(lambda it, before=before: it.answered > before)  # type: ignore[misc]

    run(test())
    assert store.told() == [("Normal", "Granted", 1)]
    assert [request.method for request in store.registry.requests] == ["POST", "POST"]


def test_an_expired_event_is_created_anew(store: Store) -> None:
    """The API server keeps Events for an hour."""

    async def test() -> None:
        async with recording(store, period_seconds=0.0) as recorder:
            await refuse(recorder)
            await store.until(lambda it: bool(it.events))
            store.events.clear()
            await refuse(recorder)
            await store.until(lambda it: it.told() == [("Warning", "AccessDenied", 1)])

    run(test())


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_event_that_could_not_be_written_is_written_later(store: Store, status: int) -> None:
    store.failures = [(status, "etcd has no leader")] * 3

    async def test() -> None:
        async with recording(store, pause_seconds=0.01) as recorder:
            await refuse(recorder)
            await refuse(recorder)
            await store.until(lambda it: it.told() == [("Warning", "AccessDenied", 2)])

    run(test())


@pytest.mark.parametrize("status", [403, 400, 422])
def test_a_refused_event_is_dropped_with_a_line_and_delays_no_other(
    store: Store, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    store.failures = [(status, "namespace team is being terminated")]

    async def test() -> None:
        async with recording(store) as recorder:
            await refuse(recorder)
            await refuse(recorder, "another")
            await store.until(lambda it: len(it.events) == 1)

    run(test())
    assert store.answered == 2
    assert [record for record in caplog.records if "being terminated" in str(vars(record))]


def test_nobody_waits_for_a_server_that_does_not_answer(store: Store) -> None:
    store.registry.on("*", lambda call: call.wait_gone() and None)

    async def test() -> None:
        async with recording(store) as recorder:
            with soon(REQUEST_SECONDS):
                for number in range(10):
                    await refuse(recorder, str(number))
                    await asyncio.sleep(0)

    run(test())


def test_too_many_events_of_an_object_are_dropped_with_few_lines(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with recording(store) as recorder:
            for number in range(100):
                await refuse(recorder, f"words of the Pod's author {number}")
            await store.until(lambda it: len(it.events) == EVENTS_PER_OBJECT_LIMIT)
            other = {**POD, "name": "other", "uid": "u-2"}
            await recorder.record(other, reason="Granted", message="x", kind="Normal")
            await store.until(lambda it: len(it.events) == EVENTS_PER_OBJECT_LIMIT + 1)

    run(test())
    dropped = [record.dropped for record in caplog.records if record.msg == "too many events, one dropped"]
    assert dropped == [1, 2, 4, 8, 16, 32, 64]


def test_an_object_that_lives_long_may_have_ever_new_events(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "SPAN_SECONDS", 0.0)

    async def test() -> None:
        async with recording(store) as recorder:
            for number in range(3 * EVENTS_PER_OBJECT_LIMIT):
                await refuse(recorder, str(number))
                await store.until(lambda it, number=number: len(it.events) == number + 1)  # type: ignore[misc]

    run(test())


def test_a_full_memory_evicts_written_events_and_then_drops(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(series_module, "EVENTS_LIMIT", 6)  # three Events of a namespace may wait

    async def record_event(recorder: EventRecorder, number: int) -> None:
        await recorder.record({**POD, "uid": str(number)}, reason="X", message="x", kind="Normal")

    async def test() -> None:
        async with recording(store) as recorder:
            for number in range(9):
                await record_event(recorder, number)
                await store.until(lambda it, number=number: len(it.events) == number + 1)  # type: ignore[misc]
        assert [record for record in caplog.records if "too many events" in record.msg] == []
        async with recording(store, runs=False) as recorder:
            for number in range(4):
                await record_event(recorder, number)
        assert [record.dropped for record in caplog.records if "too many events" in record.msg] == [1]

    run(test())


def test_long_texts_and_names_are_cut_to_valid_lengths(store: Store) -> None:
    pod = {**POD, "name": "a" * 235 + "." + "b" * 17}

    async def test() -> None:
        async with recording(store) as recorder:
            await recorder.record(pod, reason="X", message="ä" * 2000, kind="Normal")
            await store.until(lambda it: len(it.events) == 1)

    run(test())
    [event] = store.events.values()
    assert len(event["message"]) == 1024
    assert event["message"].endswith("…")
    assert len(event["metadata"]["name"]) <= 253
    assert ".." not in event["metadata"]["name"]


def test_events_of_objects_without_a_namespace_lie_in_default(store: Store) -> None:
    async def test() -> None:
        async with recording(store) as recorder:
            await recorder.record({"kind": "Node", "name": "n"}, reason="X", message="x", kind="Normal")
            await store.until(lambda it: len(it.events) == 1)

    run(test())
    assert next(iter(store.events)).startswith("/api/v1/namespaces/default/events/n.")
