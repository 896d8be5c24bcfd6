"""The operations of a patch: few, mostly additions, and at a cost that large Pods allow."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from webhook.pod.patch import Operation, applied, operations


def member(name: object, **fields: object) -> dict[str, Any]:
    return {"name": name, **fields}


ADD, MOVE, REMOVE, REPLACE = "add", "move", "remove", "replace"


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        ([], [member("a")], [(ADD, 0)]),
        ([member("b")], [member("a"), member("b")], [(ADD, 0)]),
        ([member("b"), member("c")], [member("b"), member("a"), member("c")], [(ADD, 1)]),
        ([member("a"), member("b"), member("c")], [member("c")], [(REMOVE, 0), (REMOVE, 0)]),
        ([member("a"), member("b"), member("c")], [member("a")], [(REMOVE, 1), (REMOVE, 1)]),
        ([member("a"), member("b")], [member("a"), member("c")], [(REPLACE, 1)]),
        ([member("b"), member("c"), member("a")], [member("a"), member("b"), member("c")], [(MOVE, 0)]),
        ([member("a"), member("a", x=1)], [member("a", x=1), member("a", x=1)], [(ADD, "0/x")]),
        # members without a name pair up in their order; other values are replaced
        ([{"x": 1}], [{"x": 1}, {"y": 1}], [(ADD, 1)]),
        (["sh", "-c", "old"], ["sh", "-c", "new"], [(REPLACE, 2)]),
        ([1], [True], [(REPLACE, 0)]),
        ([member(["a"])], [member(["a"]), member("b")], [(ADD, 1)]),
        # a container may mount a volume twice
        ([member("v", mountPath="/a")], [member("v", mountPath="/b")], [(REPLACE, 0)]),
    ],
)
def test_a_list_becomes_another(before: list[Any], after: list[Any], steps: list[tuple[str, object]]) -> None:
    patch = operations({"x": before}, {"x": after})
    assert [(step["op"], step["path"]) for step in patch] == [(op, f"/x/{place}") for op, place in steps]
    assert applied({"x": before}, patch) == {"x": after}


def test_names_of_fields_are_escaped() -> None:
    before, after = {"a": {"x/~y": 1, "z/": 1}}, {"a": {"x/~y": 2}}
    patch = operations(before, after)
    assert sorted(step["path"] for step in patch) == ["/a/x~1~0y", "/a/z~1"]
    assert applied(before, patch) == after


def test_values_that_only_python_calls_equal_differ() -> None:
    assert [step["op"] for step in operations({"a": True, "b": 1}, {"a": 1, "b": 1.0})] == [REPLACE] * 2


CALLS_PER_MEMBER_LIMIT = 12
"""Ten today. The search for moves, which `jsonpatch.make_patch` makes, took more than a hundred."""


def pod(containers: int, variables: int, ours: int) -> dict[str, Any]:
    env = [member(f"V{index}", value="x") for index in range(variables + ours)]
    return {
        "spec": {"containers": [member(f"c{index}", env=list(map(dict, env))) for index in range(containers)]}
    }


def test_a_large_pod_costs_a_few_calls_for_each_variable() -> None:
    before, after = pod(190, 24, 0), pod(190, 24, 20)
    patch: list[Operation] = []
    count = calls(lambda: patch.extend(operations(before, after)))
    assert len(patch) == 190 * 20
    assert count < CALLS_PER_MEMBER_LIMIT * 190 * 44


def test_a_large_pod_that_stays_as_it_is_costs_next_to_nothing() -> None:
    before, after = pod(190, 24, 0), pod(190, 24, 0)
    assert calls(lambda: operations(before, after)) < 100


def calls(act: Callable[[], object]) -> int:
    """Calls of Python functions, and turns of generators."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count
