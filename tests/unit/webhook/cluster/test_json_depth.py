"""JSON of any shape that is too deep for the standard library: alone, in a list, and in a watch."""

import json
import random
from typing import Any

import pytest

from webhook.cluster.answers import event_of
from webhook.cluster.json_depth import DEPTH_LIMIT, parse, shallow
from webhook.cluster.json_stream import ListItems
from webhook.cluster.trim import connector

DEEP = 9994
"""As deep as the API server allows it below `fieldsV1`"""
TEXTS = ["", "{", "}]", '"', "\\", '\\"[', "\\\\", "\n\u2028ä€𐍈", "{[" * DEEP]


def deep_object(depth: int = DEEP) -> bytes:
    """A Connector as JSON, whose managed fields are that deep."""
    fields = b'{"f:\\"[":' * depth + b"{}" + b"}" * depth
    return b'{"metadata":{"managedFields":[{"fieldsV1":%b}],"name":"deep"},"spec":{"a":[1,"}"]}}' % fields


def within(value: Any, levels: int) -> Any:
    """The expected rest of a value, with this many levels of objects and arrays."""
    if isinstance(value, dict | list) and levels == 0:
        return None
    if isinstance(value, dict):
        return {key: within(item, levels - 1) for key, item in value.items()}
    return [within(item, levels - 1) for item in value] if isinstance(value, list) else value


def any_value(chance: random.Random, depth: int) -> Any:
    """A value that is this deep in at least one place."""
    if depth == 0:
        return chance.choice([*TEXTS, 1, -2.5e3, None, True, {}, []])
    beside = [any_value(chance, 0) for _ in range(chance.randrange(3))]
    if chance.random() < 0.5:
        return [*beside, any_value(chance, depth - 1), *beside]
    names = chance.sample(TEXTS, 2)
    return {names[0]: any_value(chance, depth - 1), names[1]: beside}


def test_a_document_that_is_too_deep_is_read_without_its_deepest_parts() -> None:
    parsed: Any = parse(deep_object())
    assert (parsed["metadata"]["name"], parsed["spec"]) == ("deep", {"a": [1, "}"]})
    assert parse(b" " + deep_object() + b" \n") == parsed


@pytest.mark.parametrize("depth", [1, DEPTH_LIMIT - 1, DEPTH_LIMIT, DEPTH_LIMIT + 1, DEPTH_LIMIT + 2, 200])
def test_of_any_value_exactly_the_upper_levels_stay(depth: int) -> None:
    chance = random.Random(depth)
    for _ in range(60):
        value = [any_value(chance, depth)]
        text = json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 1]))
        parsed = shallow(f"x{text},]", 1)
        assert parsed is not None
        assert json.loads(parsed[0]) == within(value, DEPTH_LIMIT)
        assert parsed[1] == len(text) + 1


def test_a_value_without_its_end_is_refused_wherever_it_is_cut() -> None:
    text = json.dumps(["x", {"a\\": '"]}'}, [[]]])
    assert [shallow(text[:end], 0) for end in range(len(text))] == [None] * len(text)


@pytest.mark.parametrize("data", [b"[" * DEEP, b"[" * DEEP + b'"' + b"]" * DEEP, deep_object() + b"}"])
def test_a_deep_text_that_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|Extra data"):
        parse(data)


@pytest.mark.parametrize("size", [7, 4096, 1_000_000])
def test_a_list_with_an_item_that_is_too_deep_is_read_whole(size: int) -> None:
    data = b'{"items":[{"a":1},%b,{"b":2}],"metadata":{"resourceVersion":"7"}}' % deep_object()
    reader = ListItems(1_000_000)
    items = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size])]
    items += reader.feed(b"", is_last=True)
    assert [item.get("spec", item) for item in items] == [{"a": 1}, {"a": [1, "}"]}, {"b": 2}]
    assert reader.metadata == {"resourceVersion": "7"}


def test_an_event_that_is_too_deep_is_read() -> None:
    parsed = event_of("/c", b'{"type":"ADDED","object":%b}' % deep_object(), connector)
    assert parsed == {"type": "ADDED", "object": {"metadata": {"name": "deep"}, "spec": {"a": [1, "}"]}}}
