"""The record of sidecar images: its text, its eviction, and the objects that name current images."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.kubernetes.replica_sets import replica_set
from webhook import names
from webhook.grant.sidecar_images import (
    IMAGES_LIMIT,
    TEXT_LIMIT,
    images_of,
    parse_record,
    render_record,
    updated,
)

NOW = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DIGEST = "registry.example:5000/team/sidecar@sha256:" + "a" * 64


def of(count: int, *, newest: datetime = NOW) -> dict[str, datetime]:
    """`s:0` is the newest."""
    return {f"s:{number}": newest - number * DAY for number in range(count)}


# -- the text


def test_a_rendered_record_is_read_back() -> None:
    record = {"registry.example/sidecar:1": NOW - DAY, DIGEST: NOW}
    text = render_record(record)
    assert text == f"2026-11-30T12:00:00Z registry.example/sidecar:1\n2026-12-01T12:00:00Z {DIGEST}\n"
    assert parse_record(text) == (record, "")


def test_bad_lines_are_ignored_and_counted() -> None:
    text = "\n".join(
        [
            "2026-12-01T12:00:00Z good:1",
            "yesterday bad:1",
            "2026-12-01T12:00:00Z",
            "2026-12-01T12:00:00Z two images",
            "2026-12-01T12:00:00Z $(reboot)",
            "2026-12-01T12:00:00Z " + "x" * 600,
            "",
            "\x00\ud800",
        ]
    )
    record, sentence = parse_record(text)
    assert list(record) == ["good:1"]
    assert sentence == "6 lines without a time and an image are ignored, the first is line 2"


def test_a_text_that_is_too_long_is_ignored_whole() -> None:
    line = "2026-12-01T12:00:00Z good:1\n"
    record, sentence = parse_record(line * (TEXT_LIMIT // len(line) + 1))
    assert record == {}
    assert "are read: all of it is ignored" in sentence


def test_only_the_newest_lines_count() -> None:
    record, _ = parse_record(render_record(of(IMAGES_LIMIT + 5)))
    assert set(record) == {f"s:{number}" for number in range(IMAGES_LIMIT)}


def test_a_repeated_image_has_its_newest_time() -> None:
    text = "2026-12-01T12:00:00Z s:1\n2025-12-01T12:00:00Z s:1\n"
    assert parse_record(text)[0] == {"s:1": NOW}


# -- eviction


def test_a_new_image_evicts_the_oldest() -> None:
    record = updated(of(IMAGES_LIMIT), ["new"], NOW)
    assert len(record) == IMAGES_LIMIT
    assert record["new"] == NOW
    assert f"s:{IMAGES_LIMIT - 1}" not in record


def test_a_current_image_is_never_evicted() -> None:
    oldest = f"s:{IMAGES_LIMIT + 9}"
    assert oldest in updated(of(IMAGES_LIMIT + 10), [oldest], NOW)
    many = [f"current:{number}" for number in range(IMAGES_LIMIT + 3)]
    assert list(updated(of(IMAGES_LIMIT), many, NOW)) == many


def test_the_time_of_a_current_image_changes_once_a_day() -> None:
    record = {"s:1": NOW - DAY + timedelta(seconds=1)}
    assert updated(record, ["s:1"], NOW) == record
    assert updated({"s:1": NOW - DAY}, ["s:1"], NOW) == {"s:1": NOW}


@pytest.mark.parametrize("current", [["s:1"], []])
def test_a_time_in_the_future_counts_as_now(current: list[str]) -> None:
    """Otherwise a wrong clock, or hand, would keep an image for ever."""
    assert updated({"s:1": NOW + 900 * DAY}, current, NOW) == {"s:1": NOW}


def test_the_order_of_the_images_does_not_change_the_record() -> None:
    once = updated(of(IMAGES_LIMIT + 3), ["b", "a"], NOW)
    assert render_record(updated(once, ["a", "b"], NOW)) == render_record(once)


# -- the objects that name current images


def test_both_deployments_name_current_images_and_mirrors() -> None:
    sets = [replica_set("s:2", "mirror/s:2"), replica_set("s:1", owner=names.ADMISSION)]
    assert images_of(sets, is_history_wanted=False) == ["s:2", "mirror/s:2", "s:1"]


def test_a_revision_counts_while_it_has_replicas_and_the_history_only_when_wanted() -> None:
    sets = [replica_set("s:1", wanted=0), replica_set("s:2", wanted=0, present=1), replica_set("s:3")]
    assert images_of(sets, is_history_wanted=False) == ["s:2", "s:3"]
    assert images_of(sets, is_history_wanted=True) == ["s:1", "s:2", "s:3"]


NOT_OURS: Mapping[str, dict[str, Any]] = {
    "without an owner": replica_set("s:1", metadata={"name": names.BROKER}),
    "of another Deployment": replica_set("s:1", owner="other"),
    "named, but not owned": replica_set(
        "s:1", metadata={"ownerReferences": [{"kind": "Deployment", "name": names.BROKER}]}
    ),
    "without containers": replica_set("s:1", spec={"replicas": 1}),
    "without an image": replica_set(""),
    "with a text that is no image": replica_set("$(reboot)"),
}


@pytest.mark.parametrize("foreign", NOT_OURS.values(), ids=NOT_OURS)
def test_a_foreign_replica_set_names_no_image(foreign: dict[str, Any]) -> None:
    assert images_of([foreign], is_history_wanted=True) == []
