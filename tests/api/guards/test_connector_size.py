"""Guard 9: a Connector is no larger than it has reason to be, and a larger one can still be corrected."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import Act, Attack, Result, patch, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-size"

WRITER = "connector-writer"
"""May do everything to Connectors, and read no Secret"""

_RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: connector-writer}
rules:
  - {apiGroups: [connectors.alauda.io], resources: [connectors, connectors/status], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: connector-writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: connector-writer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: connector-writer}]
"""

Json = dict[str, Any]

ANNOTATIONS = {"example.com/noise": "x" * 70_000}
LABELS = {f"example.com/label-{number}": "x" * 50 for number in range(200)}
OWNERS = [
    {"apiVersion": "v1", "kind": "ConfigMap", "name": f"c-{number}", "uid": f"{number}"}
    for number in range(65)
]
LISTS = [{"name": name, "value": "package " * 511} for name in ("allowPackages", "denyPackages")]
ADDRESSES = [
    {"name": f"files-{number}", "value": "https://x.example/" + "y" * 900} for number in range(1, 11)
]
CONDITION = {
    "type": "Flooded",
    "status": "True",
    "reason": "Flood",
    "message": "x" * 20_000,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def connector(name: str = "new", metadata: Json | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"connectorClassName": "pypi", "address": "https://pypi.example", **spec},
    }


def prepare(kube: Kube, namespace: str) -> None:
    kube.apply(_RIGHTS, namespace=namespace)
    kube.create(connector("small"), namespace=namespace)


def create(manifest: Mapping[str, Any]) -> Act:
    return guards.create(dict(manifest))


def grow(change: Json, *options: str) -> Act:
    return patch(change, *options, target="connector/small")


FLOOD = {"status": {"conditions": [CONDITION]}}
MANY = {f"{number:x}": "" for number in range(300)}

ATTACKS = [
    Attack("many annotations", create(connector(metadata={"annotations": MANY})), "may have 256 annotations"),
    Attack("many labels", create(connector(metadata={"labels": MANY})), "may have 256 labels, and this one"),
    Attack(
        "many labels added", grow({"metadata": {"labels": MANY}}), "may have 256 labels, and this one has"
    ),
    Attack(
        "annotations",
        create(connector(metadata={"annotations": ANNOTATIONS})),
        "65536 characters in all, and these have 70017: make them smaller, the largest are example.com/noise",
    ),
    Attack(
        "annotations added", grow({"metadata": {"annotations": ANNOTATIONS}}), "may have 65536 characters"
    ),
    Attack("labels", create(connector(metadata={"labels": LABELS})), "may have 8192 characters in all"),
    Attack("owners", create(connector(metadata={"ownerReferences": OWNERS})), "may have 64 entries in all"),
    Attack("spec", create(connector(params=LISTS, addressExtensions=ADDRESSES)), "may have 16384 characters"),
    Attack("spec grows", grow({"spec": {"params": LISTS, "addressExtensions": ADDRESSES}}), "may have 16384"),
    Attack("conditions", grow(FLOOD, "--subresource=status"), "status.conditions of others on a Connector"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_makes_a_connector_large(kube: Kube, guarded: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, kube.as_user(WRITER, "system:authenticated"), guarded)
    guards.assert_refused(GUARD, attack, kube, guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_they_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    writer = kube.as_user(WRITER, "system:authenticated")
    guards.assert_succeeds_unguarded(GUARD, attack, writer, unguarded)


LARGEST = connector("largest", params=LISTS, addressExtensions=ADDRESSES[:8])
"""As large as a spec may be, by a few hundred characters"""

HARMLESS: Mapping[str, Act] = {
    "a usual one": create(connector()),
    "the largest spec": create(LARGEST),
    "annotations of 60 KB": create(connector(metadata={"annotations": {"a": "x" * 60_000}})),
    "a condition of others": grow(
        {"status": {"conditions": [{**CONDITION, "message": "x" * 16_000}]}}, "--subresource=status"
    ),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_what_is_no_larger_is_let_through(kube: Kube, guarded: str, act: Act) -> None:
    result = act(kube.as_user(WRITER, "system:authenticated"), guarded)
    assert result.returncode == 0, result.stderr


def test_the_largest_can_be_applied_and_changed_by_kubectl(kube: Kube, guarded: str) -> None:
    """Which keeps all of it once more, in an annotation."""
    kube.apply(LARGEST, namespace=guarded)
    again = {
        **LARGEST,
        "metadata": {"name": "largest", "annotations": {"cpaas.io/description": "x" * 10_000}},
    }
    kube.apply(again, namespace=guarded)
    kept = kube.get("connector", "largest", guarded)["metadata"]["annotations"]
    assert len(kept["kubectl.kubernetes.io/last-applied-configuration"]) > 25_000


def owner(depth: int) -> Json:
    fields: Json = {}
    for _ in range(depth):
        fields = {"f:a": fields}
    return {
        "manager": "a",
        "operation": "Update",
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": fields},
        "time": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("depth", [7, 900])
def test_nobody_makes_a_connector_deep(kube: Kube, guarded: str, depth: int) -> None:
    """A recursive JSON decoder cannot read a list that holds such a Connector."""
    attack = Attack("deep", create(connector(metadata={"managedFields": [owner(depth)]})), "six levels deep")
    guards.assert_refused(
        "pypi-connector-depth", attack, kube.as_user(WRITER, "system:authenticated"), guarded
    )


def test_a_connector_that_was_deep_before_can_be_mended_and_deleted(kube: Kube, guarded: str) -> None:
    metadata = {"managedFields": [owner(50)], "finalizers": ["example.com/wait"]}
    before = connector("deep", metadata)
    with guards.lifted(kube, ("pypi-connector-depth",), guarded):
        guards.until(kube, create(before), guarded, lambda result: result.returncode == 0)
        kube.create(before, namespace=guarded)
    deeper = create(connector("deeper", metadata))
    guards.until(kube, deeper, guarded, lambda result: guards.is_refused_by("pypi-connector-depth", result))
    kube.run("delete", "connector", "deep", "-n", guarded, "--wait=false")
    change = {"metadata": {"finalizers": None}}
    assert patch(change, target="connector/deep", dry_run=False)(kube, guarded).returncode == 0
    kube.wait_for(lambda: kube.find("connector", "deep", guarded) is None)


DEPTH_GUARD = "pypi-connector-depth"


def owners(count: int, names: int, depth: int) -> list[Json]:
    """So many entries, each with so many names at that depth. The API server unites entries of updates."""
    fields: Json = {f"f:x{number}": {} for number in range(names)}
    for _ in range(depth - 1):
        fields = {"f:a": fields}
    usual = {key: value for key, value in owner(1).items() if key != "fieldsV1"}
    usual["operation"] = "Apply"
    return [{**usual, "manager": f"tool-{number}", "fieldsV1": fields} for number in range(count)]


CROWDED = "six levels deep, with 1024 names in all"
CROWDS = {
    **{f"at depth {depth}": owners(1, 1100, depth) for depth in range(1, 7)},
    "of many tools": owners(60, 20, 3),
    "and many tools": owners(65, 1, 2),
}


@pytest.mark.parametrize("crowd", CROWDS.values(), ids=list(CROWDS))
def test_nobody_gives_a_connector_thousands_of_owned_fields(
    kube: Kube, guarded: str, crowd: list[Json]
) -> None:
    """Each later update would cost the API server seconds."""
    writer = kube.as_user(WRITER, "system:authenticated")
    for act in (
        create(connector(metadata={"managedFields": crowd})),
        grow({"metadata": {"managedFields": crowd}}),
    ):
        guards.assert_refused(DEPTH_GUARD, Attack("crowd", act, CROWDED), writer, guarded)


def test_owned_fields_up_to_the_limit_are_let_through(kube: Kube, guarded: str) -> None:
    """As many annotations and labels as a Connector may have are owned by two tools."""
    crowds = (owners(1, 900, 3), owners(60, 12, 3))
    largest = {"annotations": {f"{number:x}": "" for number in range(250)}}
    largest["labels"] = {f"{number:x}": "" for number in range(250)}
    for metadata in (*({"managedFields": crowd} for crowd in crowds), largest):
        result = create(connector(metadata=dict(metadata)))(kube, guarded)
        assert result.returncode == 0, result.stderr


def test_a_connector_with_more_owned_fields_can_be_mended_and_gets_no_more(kube: Kube, guarded: str) -> None:
    before = connector("crowded", {"managedFields": owners(1, 1200, 3)})
    with guards.lifted(kube, (DEPTH_GUARD,), guarded):
        guards.until(kube, create(before), guarded, lambda result: result.returncode == 0)
        kube.create(before, namespace=guarded)
    refused = create(connector("crowd", {"managedFields": owners(1, 1100, 3)}))
    guards.until(kube, refused, guarded, lambda result: guards.is_refused_by(DEPTH_GUARD, result))

    def changed(metadata: Json) -> Result:
        return patch({"metadata": metadata}, target="connector/crowded", dry_run=False)(kube, guarded)

    assert changed({"managedFields": owners(1, 1300, 3)}).returncode != 0
    assert changed({"managedFields": owners(1, 1150, 3)}).returncode == 0
    assert changed({"managedFields": [{}]}).returncode == 0
    assert changed({"annotations": {"cpaas.io/description": "x"}}).returncode == 0


def test_what_was_large_before_can_be_mended_and_deleted_and_grows_no_further(
    kube: Kube, guarded: str
) -> None:
    metadata = {
        "annotations": {**ANNOTATIONS, **MANY},
        "labels": {**LABELS, **MANY},
        "finalizers": ["example.com/wait"],
    }
    before = connector("before", metadata, params=LISTS, addressExtensions=ADDRESSES)
    with guards.lifted(kube, (GUARD,), guarded):
        guards.until(kube, create(before), guarded, lambda result: result.returncode == 0)
        kube.create(before, namespace=guarded)
        kube.patch("connector", "before", FLOOD, guarded, subresource="status")
    guards.until(kube, ATTACKS[0].act, guarded, lambda result: guards.is_refused_by(GUARD, result))

    def changed(change: Json, *options: str) -> Result:
        return patch(change, *options, target="connector/before", dry_run=False)(kube, guarded)

    assert changed({"metadata": {"annotations": {"cpaas.io/display-name": "x"}}}).returncode != 0
    assert changed(FLOOD, "--subresource=status").returncode == 0
    assert changed({"metadata": {"annotations": {"example.com/noise": "x" * 69_000}}}).returncode == 0
    assert changed({"spec": {"addressExtensions": ADDRESSES[:9]}}).returncode == 0
    kube.run("delete", "connector", "before", "-n", guarded, "--wait=false")
    assert changed({"metadata": {"finalizers": None}}).returncode == 0
    kube.wait_for(lambda: kube.find("connector", "before", guarded) is None)
