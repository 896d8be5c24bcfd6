"""RFC 6902 operations that turn a Pod into another.

jsonpatch compares lists by position. A sidecar in front of containers that change as well would come out as a
rewrite of all of them. So there are two steps: first the list gets its new members, then each member gets its
changes. If init containers [setup] become [sidecar, setup with a mount]:

    step 1: add /spec/initContainers/0                 gives [sidecar, setup]
    step 2: add /spec/initContainers/1/volumeMounts    gives [sidecar, setup with a mount]
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import jsonpatch

Operation = dict[str, Any]


def operations(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Operation]:
    """Operations that turn `before` into `after`. An addition is an `add` and nothing else."""
    between = _aligned(before, after)
    return [*jsonpatch.make_patch(before, between), *jsonpatch.make_patch(between, after)]


def applied(before: Mapping[str, Any], patch: list[Operation]) -> dict[str, Any]:
    """The object that the API server makes of a patch."""
    result: dict[str, Any] = jsonpatch.apply_patch(before, patch)
    return result


def _aligned(before: Any, after: Any) -> Any:
    """`before`, but lists of named objects have the members of `after`, in that order."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: _aligned(value, after[key]) if key in after else value for key, value in before.items()}
    if not (_is_named(before) and _is_named(after)):
        return before
    remaining: dict[str, deque[Any]] = {}
    for item in before:
        remaining.setdefault(_key(item), deque()).append(item)
    # present members do not change yet: a changed member could not be found by its position
    return [same.popleft() if (same := remaining.get(_key(item))) else item for item in after]


def _is_named(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and "name" in item for item in value)


def _key(item: Mapping[str, Any]) -> str:
    """Tells members apart. A container may mount a volume twice, so a mount's name alone is no key. The key
    is a text, because a name in a foreign list may itself be a list, which is not hashable."""
    return repr((item["name"], item.get("mountPath")))
