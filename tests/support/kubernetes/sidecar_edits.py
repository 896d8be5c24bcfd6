"""Ways to alter a Pod as admission leaves it: its sidecar, and the volumes around it."""

from collections.abc import Callable
from typing import Any

from support.kubernetes import guards
from support.kubernetes.guards import Act, Pod, create

Edit = Callable[[Pod], object]


def edited(*edits: Edit) -> Act:
    pod = guards.injected_pod("thief", initContainers=[{"name": "first", "image": "example.test/first:1"}])
    for edit in edits:
        edit(pod)
    return create(pod)


def ours(**values: Any) -> Edit:
    return lambda pod: guards.sidecar_of(pod).update(values)


def volume(**source: Any) -> Edit:
    return lambda pod: pod["spec"]["volumes"].append({"name": "theirs", **source})
