"""The record of images of several replicas, on an API that conflicts, refuses and does not answer."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from support.components.certificate_keepers import NAMESPACE, MemoryApi
from support.kubernetes.replica_sets import replica_set
from webhook import names
from webhook.cluster import paths
from webhook.cluster.image_keeper import ImageKeeper
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict, Forbidden
from webhook.grant.sidecar_images import KEY, TEXT_LIMIT

NOW = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)
RECORD = paths.config_map(NAMESPACE, names.SIDECAR_IMAGES)
SETS = paths.replica_sets(NAMESPACE)


class Installation(MemoryApi):
    """With ReplicaSets."""

    def __init__(self, *sets: dict[str, Any], seed: int | None = None) -> None:
        super().__init__(configuration=False, seed=seed)
        self.sets: Sequence[dict[str, Any]] = sets

    async def list(self, path: str, **query: str) -> dict[str, Any]:
        assert path == SETS
        await self._enter("list", path)
        return {"items": list(self.sets)}

    def write(self, text: str, **fields: Any) -> None:
        metadata = {"name": names.SIDECAR_IMAGES, "namespace": NAMESPACE}
        self.put(RECORD, {"metadata": metadata, "data": {KEY: text}, **fields})

    @property
    def record(self) -> str:
        return str(self.objects[RECORD]["data"][KEY])

    @property
    def images(self) -> Sequence[str]:
        return [line.partition(" ")[2] for line in self.record.splitlines()]


def keeper(api: Installation, *own: str) -> ImageKeeper:
    return ImageKeeper(api, namespace=NAMESPACE, own=own or ("s:1",), now=lambda: NOW)


def look(api: Installation, *own: str) -> list[str]:
    return list(asyncio.run(keeper(api, *own).look()))


def test_the_first_look_begins_the_record_with_the_history_of_earlier_releases() -> None:
    api = Installation(replica_set("s:1"), replica_set("s:0", wanted=0))
    assert look(api) == ["s:1", "s:0"]
    assert api.record == "2026-12-01T12:00:00Z s:0\n2026-12-01T12:00:00Z s:1\n"


def test_a_second_look_writes_nothing() -> None:
    api = Installation(replica_set("s:1"))
    look(api)
    writes = len(api.writes)
    assert look(api) == ["s:1"]
    assert len(api.writes) == writes


def test_an_old_and_a_new_replica_learn_each_others_image() -> None:
    api = Installation(replica_set("s:1"), replica_set("s:2", owner=names.ADMISSION))
    assert set(look(api, "s:1")) == {"s:1", "s:2"}
    api.sets = [replica_set("s:2"), replica_set("s:2", owner=names.ADMISSION)]
    assert set(look(api, "s:2")) == {"s:1", "s:2"}


def test_an_image_whose_line_was_removed_stays_out_though_a_past_revision_names_it() -> None:
    api = Installation(replica_set("s:2"), replica_set("s:1", wanted=0))
    image_keeper = keeper(api, "s:2")
    assert set(asyncio.run(image_keeper.look())) == {"s:1", "s:2"}
    api.write("2026-12-01T12:00:00Z s:2\n")
    assert asyncio.run(image_keeper.look()) == ("s:2",)
    assert api.images == ["s:2"]


@pytest.mark.parametrize(
    "text", ["nonsense", "x" * (TEXT_LIMIT + 1), "{}", "2026-12-01T12:00:00Z s:2 s:3"], ids=len
)
def test_a_damaged_record_is_reported_and_written_anew(text: str, caplog: pytest.LogCaptureFixture) -> None:
    api = Installation(replica_set("s:1"))
    api.write(text)
    with caplog.at_level(logging.INFO):
        assert look(api) == ["s:1"]
    assert api.images == ["s:1"]
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "ignored" in vars(line)["cause"]


@pytest.mark.parametrize("data", [None, {}, {KEY: None}, {"other": "kept"}])
def test_other_content_of_the_object_stays(data: dict[str, Any] | None) -> None:
    api = Installation(replica_set("s:1"), replica_set("s:0", wanted=0))
    api.put(RECORD, {"metadata": {"name": names.SIDECAR_IMAGES, "labels": {"a": "b"}}, "data": data})
    assert look(api) == ["s:1"], "no history: the record is not at its beginning"
    assert api.objects[RECORD]["metadata"]["labels"] == {"a": "b"}
    assert {**(data or {}), KEY: "2026-12-01T12:00:00Z s:1\n"} == api.objects[RECORD]["data"]


@pytest.mark.parametrize("seed", range(20))
def test_replicas_of_two_releases_that_look_at_once_end_with_the_same_record(seed: int) -> None:
    api = Installation(replica_set("s:1"), replica_set("s:2", owner=names.ADMISSION), seed=seed)

    async def race() -> list[Sequence[str]]:
        owns = ["s:1", "s:2", "s:1", "s:2"]
        return list(await asyncio.gather(*(keeper(api, own).look() for own in owns)))

    known = asyncio.run(race())
    assert [set(images) for images in known] == [{"s:1", "s:2"}] * 4
    assert sorted(api.images) == ["s:1", "s:2"]


def test_many_callers_at_once_cause_two_looks() -> None:
    """The first look, and a second for all callers that came during the first."""
    api = Installation(replica_set("s:1"))
    image_keeper = keeper(api)

    async def crowd() -> None:
        await asyncio.gather(*(image_keeper.look() for _ in range(500)))

    asyncio.run(crowd())
    assert api.calls.count(("list", SETS)) == 2


def test_a_caller_during_a_look_sees_later_images() -> None:
    """That look may have read the ReplicaSets a moment before the new ReplicaSet existed."""
    api = Installation(replica_set("s:1"))
    image_keeper = keeper(api)

    async def story() -> Sequence[str]:
        first = asyncio.create_task(image_keeper.look())
        while ("list", SETS) not in api.calls and not first.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        api.sets = [*api.sets, replica_set("s:2", owner=names.ADMISSION)]
        second = await image_keeper.look()
        await first
        return second

    assert set(asyncio.run(story())) == {"s:1", "s:2"}


# -- failures


def test_a_cluster_that_does_not_answer_gives_no_list_of_images() -> None:
    """Otherwise a Pod of the rollout would be refused, although it need only ask again."""
    api = Installation(replica_set("s:1"))
    api.fails["list", SETS] = ClusterUnavailable("no answer")
    image_keeper = keeper(api)

    async def crowd() -> list[object]:
        return list(await asyncio.gather(*(image_keeper.look() for _ in range(3)), return_exceptions=True))

    assert [type(result) for result in asyncio.run(crowd())] == [ClusterUnavailable] * 3
    assert image_keeper.known == ("s:1",)


@pytest.mark.parametrize("error", [Forbidden("no"), ClusterRefused("immutable"), ClusterUnavailable("slow")])
@pytest.mark.parametrize("begun", [True, False])
def test_an_image_that_cannot_be_recorded_is_known_all_the_same(
    error: Exception, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    api = Installation(replica_set("s:1"), replica_set("s:2", owner=names.ADMISSION))
    if begun:
        api.write("2026-11-01T12:00:00Z s:0\n")
    api.fails["create", f"{paths.config_maps(NAMESPACE)}/{names.SIDECAR_IMAGES}"] = error
    api.fails["replace", RECORD] = error
    image_keeper = keeper(api)
    for _ in range(2):
        assert set(asyncio.run(image_keeper.look())) == {"s:1", "s:2"} | ({"s:0"} if begun else set())
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert vars(line)["cause"] == str(error), "said once"


def test_endless_conflicts_end_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    api = Installation(replica_set("s:1"))
    api.write("")
    api.fails["replace", RECORD] = Conflict("changed")
    assert look(api) == ["s:1"]
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "again and again" in vars(line)["cause"]


def test_a_failure_ends_no_process_and_its_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    api = Installation(replica_set("s:1"))
    api.fails["list", SETS] = ClusterUnavailable("no answer")
    rounds = 0

    async def pause(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            del api.fails["list", SETS]
        if rounds == 4:
            raise asyncio.CancelledError

    image_keeper = ImageKeeper(api, namespace=NAMESPACE, own=("s:1",), now=lambda: NOW, pause=pause)
    with caplog.at_level(logging.INFO), pytest.raises(asyncio.CancelledError):
        asyncio.run(image_keeper.run())
    said = [record.message for record in caplog.records if record.name == "webhook.cluster.image_keeper"]
    assert said == ["sidecar images not recorded", "sidecar images recorded", "sidecar images recorded again"]
