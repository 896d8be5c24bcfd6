"""RFC 6902 operations from one Pod to another.

jsonpatch compares lists by position: a sidecar put in front of containers that change too comes out as a
rewrite of every one of them. So there are two steps: first the list gets its new members, then each member
its changes.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import jsonpatch

Operation = dict[str, Any]


def operations(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Operation]:
    """Applied to `before` they give `after`; what only was added is only `add`."""
    between = _aligned(before, after)
    return [*jsonpatch.make_patch(before, between), *jsonpatch.make_patch(between, after)]


def applied(before: Mapping[str, Any], patch: list[Operation]) -> dict[str, Any]:
    """What the API server makes of a patch."""
    result: dict[str, Any] = jsonpatch.apply_patch(before, patch)
    return result


def _aligned(before: Any, after: Any) -> Any:
    """`before` with the members that lists of named objects have in `after`, in that order."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: _aligned(value, after[key]) if key in after else value for key, value in before.items()}
    if not (_is_named(before) and _is_named(after)):
        return before
    left: dict[str, deque[Any]] = {}
    for item in before:
        left.setdefault(_key(item), deque()).append(item)
    # a member as it was: were it changed in the same step, it would not be found again
    return [same.popleft() if (same := left.get(_key(item))) else item for item in after]


def _is_named(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) and "name" in one for one in value)


def _key(item: Mapping[str, Any]) -> str:
    """A container may mount one volume twice: its name alone is no key of a mount. A text, for the name of
    something that is not ours may be a list, which cannot be looked up."""
    return repr((item["name"], item.get("mountPath")))
