"""Lists and watches in pieces: fed whole, byte by byte, cut in the worst places, and without end."""

import json
import random
from typing import Any

import pytest

from webhook.cluster.json_stream import Lines, ListItems, TooLong

LONGEST = 10_000
ITEM = {"metadata": {"name": "ä€𐍈", "labels": {}}, "spec": [1, -2.5e3, None, True, '"]},{[', "\\", "\u2028"]}
METADATA = {"resourceVersion": "7", "continue": "x"}


def text(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


def read(data: bytes, size: int) -> tuple[list[Any], Any]:
    reader = ListItems(LONGEST)
    items = []
    for at in range(0, len(data), size):
        items += reader.feed(data[at : at + size])
    items += reader.feed(b"", is_last=True)
    return items, reader.metadata


LISTS = {
    "of a custom resource": {
        "apiVersion": "a/v1",
        "items": [ITEM, {}, ITEM],
        "kind": "L",
        "metadata": METADATA,
    },
    "of a built-in kind": {"kind": "L", "apiVersion": "v1", "metadata": METADATA, "items": [ITEM]},
    "empty": {"items": [], "metadata": METADATA},
    "null": {"items": None, "metadata": METADATA},
    "without any": {"metadata": METADATA},
    "with a number last": {"items": [{}], "metadata": METADATA, "other": 12345},
    "with items elsewhere": {"other": {"items": [1]}, "items": [{"items": [2]}], "metadata": METADATA},
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 100_000])
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False, "separators": (",", ":")}])
@pytest.mark.parametrize("name", LISTS)
def test_every_item_is_read_however_the_list_arrives(name: str, options: Any, size: int) -> None:
    assert read(text(LISTS[name], **options), size) == (LISTS[name].get("items") or [], METADATA)


def test_items_come_out_as_they_arrive() -> None:
    reader = ListItems(LONGEST)
    assert reader.feed(b'{"items":[{"a":1},{"a":') == [{"a": 1}]
    assert reader.feed(b'2},{"a":3},{"a":') == [{"a": 2}, {"a": 3}]
    assert not reader.is_complete


def test_any_list_in_any_pieces_gives_the_same_items() -> None:
    chance = random.Random(7)
    for _ in range(200):
        items = [{"n": "x" * chance.randrange(300), "v": chance.random()} for _ in range(chance.randrange(9))]
        data = text({"items": items, "metadata": METADATA})
        assert read(data, chance.randrange(1, 400)) == (items, METADATA)


@pytest.mark.parametrize("end", range(1, len(text(LISTS["empty"]))))
def test_a_list_that_is_cut_off_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match=r"cut off|codec"):
        read(text(LISTS["empty"])[:end], 1000)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{]", b'{"items" 1}', b'{"items":[{]}', b"<html>", b"\xff"]
)
def test_an_answer_that_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"list|object|codec"):
        read(data, 1)


def test_an_endless_item_is_refused() -> None:
    with pytest.raises(TooLong):
        read(b'{"items":[{"a":"' + b"x" * 2 * LONGEST, 100)


def test_items_that_are_each_as_long_as_allowed_are_all_read() -> None:
    items = [{"a": "x" * (LONGEST - 1000)} for _ in range(20)]
    assert read(text({"items": items, "metadata": METADATA}), 777) == (items, METADATA)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_lines_are_whole(size: int) -> None:
    data = b"one\n\nthree\nfo" + b"ur" * 50 + b"\nrest"
    lines = Lines(1000)
    parsed = [line for at in range(0, len(data), size) for line in lines.feed(data[at : at + size])]
    assert parsed == [b"one", b"", b"three", b"fo" + b"ur" * 50]


def test_an_endless_line_is_refused() -> None:
    lines = Lines(1000)
    for _ in range(10):
        assert lines.feed(b"x" * 100) == []
    with pytest.raises(TooLong):
        lines.feed(b"x")
