"""Guard 6, second part: keys that nobody reads, and volumes that nobody serves, get a warning."""

import json
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS
from support.kubernetes import guards
from support.kubernetes.kube import Kube
from webhook import names

GUARD = "pypi-connector-misspelt"
LIFTED = ("pypi-connector-misplaced", "pypi-connector-injected")
POLICY = MANIFESTS / "policies" / "misspelt.yaml"
KINDS = {
    "apps/v1": ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"],
    "batch/v1": ["Job", "CronJob"],
}
TEMPLATED = [(version, kind) for version, kinds in KINDS.items() for kind in kinds]
EVERY = [("v1", "Pod"), *TEMPLATED]
VOLUME = {"name": "pip", "csi": {"driver": "connectors-csi", "volumeAttributes": {"connector.name": "lab"}}}
Json = dict[str, Any]


def prepare(kube: Kube, namespace: str) -> None:
    """Nothing: the mistakes are creations."""


def manifest(version: str, kind: str, *, own: Json | None = None, **metadata: Any) -> Json:
    """A Pod, or an object whose template has this metadata, with volumes; `own` is the object's."""
    volumes = metadata.pop("volumes", [])
    spec: Json = {"containers": [{"name": "app", "image": "example.test/app:1"}], "volumes": volumes}
    if kind == "Pod":
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", **metadata}, "spec": spec}
    metadata["labels"] = {"app": "x", **metadata.get("labels", {})}
    spec["restartPolicy"] = "Never" if version == "batch/v1" else "Always"
    outer: Json = {"template": {"metadata": metadata, "spec": spec}}
    if version == "apps/v1":
        outer["selector"] = {"matchLabels": {"app": "x"}}
    if kind == "CronJob":
        outer = {"schedule": "0 0 * * *", "jobTemplate": {"spec": outer}}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", **(own or {})}, "spec": outer}


def said(kube: Kube, namespace: str, mistake: Json) -> str:
    result = kube.run("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(mistake))
    return result.stderr


MISTAKES: dict[str, tuple[Json, str]] = {
    "label": (
        {"labels": {names.CONNECTOR: "lab"}},
        "connectors.alauda.io/connector has no effect as a label: write it under metadata.annotations",
    ),
    "misspelt": (
        {"annotations": {"connectors.alauda.io/conector": "lab"}},
        "annotation connectors.alauda.io/conector is not known",
    ),
    "another prefix": (
        {"annotations": {"connector.alauda.io/connector": "lab"}},
        "connector.alauda.io/connector has no effect",
    ),
    "another prefix, as a label": (
        {"labels": {"connectors.alauda.com/connector": "lab"}},
        "connectors.alauda.com/connector has no effect",
    ),
    "capital letters": (
        {"annotations": {"Connectors.Alauda.io/connector": "lab"}},
        "Connectors.Alauda.io/connector has no effect",
    ),
    "another driver": (
        {"volumes": [{"name": "pip", "csi": {"driver": "connector-csi"}}]},
        "CSI driver connector-csi is not known: did you mean connectors-csi?",
    ),
    "volume of a Pod that opts out": (
        {"volumes": [VOLUME], "annotations": {names.INJECT: "false"}},
        "volume pip is of the CSI driver connectors-csi, and a Pod with connectors.alauda.io/inject false is",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(("version", "kind"), EVERY)
def test_a_mistake_is_warned_of(kube: Kube, guarded: str, version: str, kind: str, mistake: str) -> None:
    fields, sentence = MISTAKES[mistake]
    assert sentence in said(kube, guarded, manifest(version, kind, **fields))


FINE: dict[str, Json] = {
    "nothing": {},
    "others' keys": {
        "annotations": {"example.com/connector": "x", "alauda.io/connectors-of-others": "x"},
        "labels": {"alauda.io/owner": "x"},
    },
    "opted out": {
        "annotations": {names.INJECT: "false", "connectors.alauda.io/conector": "x"},
    },
    "what the webhook writes": {
        "annotations": {names.RESULT: "x", names.CSI_VOLUMES: "{}"},
        "labels": {names.INJECTED_LABEL: "true"},
    },
    "volumes of others": {"volumes": [{"name": "x", "csi": {"driver": "example.com"}}, {"name": "other"}]},
}


@pytest.mark.parametrize("case", FINE)
@pytest.mark.parametrize(("version", "kind"), EVERY)
def test_what_is_no_mistake_gets_no_warning(
    kube: Kube, guarded: str, version: str, kind: str, case: str
) -> None:
    assert said(kube, guarded, manifest(version, kind, **FINE[case])) == ""


@pytest.mark.parametrize(("version", "kind"), TEMPLATED)
def test_a_template_that_asks_is_warned_of_other_mistakes(
    kube: Kube, guarded: str, version: str, kind: str
) -> None:
    """Nobody reads the warnings of the webhook: a controller creates the Pods."""
    asking = {names.CONNECTOR: "lab", "connectors.alauda.io/prt": "8080"}
    assert "connectors.alauda.io/prt is not known" in said(
        kube, guarded, manifest(version, kind, annotations=asking)
    )


@pytest.mark.parametrize(("version", "kind"), TEMPLATED)
def test_a_volume_that_is_served_gets_no_warning(kube: Kube, guarded: str, version: str, kind: str) -> None:
    """A Pod that still has it has not been admitted: guard 4 refuses it."""
    assert said(kube, guarded, manifest(version, kind, volumes=[VOLUME])) == ""


def test_a_label_of_a_workload_itself_is_warned_of(kube: Kube, guarded: str) -> None:
    own = {"labels": {names.CONNECTOR: "lab"}}
    assert "has no effect as a label" in said(kube, guarded, manifest("apps/v1", "Deployment", own=own))


def test_what_a_controller_creates_is_not_warned_of(kube: Kube, guarded: str) -> None:
    controlled = manifest("v1", "Pod", labels={names.CONNECTOR: "lab"})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}
    controlled["metadata"]["ownerReferences"] = [owner]
    assert said(kube, guarded, controlled) == ""


def test_every_annotation_that_is_read_from_pods_is_known() -> None:
    policy = next(yaml.safe_load_all(POLICY.read_text()))
    expression = next(one["expression"] for one in policy["spec"]["variables"] if one["name"] == "read")
    known = [f"connectors.alauda.io/{name}" for name in expression.split("'")[1:-2:2]]
    assert known == list(names.AUTHOR_ANNOTATIONS)


def test_without_the_guard_nobody_says_anything(kube: Kube, unguarded: str) -> None:
    mistake = manifest("v1", "Pod", labels={names.CONNECTOR: "lab"})
    kube.wait_for(lambda: said(kube, unguarded, mistake) == "", what="the guard to be lifted")
    result = guards.create(mistake)(kube, unguarded)
    assert result.returncode == 0


# -- Namespaces

ASKING = {"labels": {names.INJECT: "enabled"}, "annotations": {names.CONNECTOR: "lab"}}
OF_A_NAMESPACE: dict[str, tuple[Json, str]] = {
    "another value": (
        {**ASKING, "labels": {names.INJECT: "true"}},
        'label connectors.alauda.io/inject: "true" has no effect on a Namespace: its only value is enabled',
    ),
    "no label": (
        {"annotations": {names.CONNECTOR: "lab", names.PORT: "8123"}},
        "connectors.alauda.io/connector, connectors.alauda.io/port has no effect on a Namespace without",
    ),
    "no annotation": (
        {"labels": {names.INJECT: "enabled"}},
        "the Namespace has no annotation connectors.alauda.io/connector",
    ),
    "a label in place of the annotation": (
        {"labels": {names.INJECT: "enabled", names.CONNECTOR: "lab"}},
        "connectors.alauda.io/connector has no effect as a label",
    ),
    "an annotation in place of the label": (
        {"annotations": {names.INJECT: "enabled"}},
        "connectors.alauda.io/inject has no effect as an annotation of a Namespace",
    ),
}


def of_a_namespace(name: str, **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


@pytest.mark.parametrize("mistake", OF_A_NAMESPACE)
def test_a_mistake_of_a_namespace_is_warned_of(kube: Kube, guarded: str, mistake: str) -> None:
    fields, sentence = OF_A_NAMESPACE[mistake]
    assert sentence in said(kube, guarded, of_a_namespace("new", **fields))


def test_the_label_warns_where_it_has_no_effect(kube: Kube) -> None:
    labels = json.dumps({"metadata": {"labels": {names.INJECT: "enabled"}}})
    arguments = ("patch", "namespace", "kube-system", "--dry-run=server", "-p", labels)
    kube.apply(of_a_namespace("kube-system"))
    assert "has no effect on Namespace kube-system" in kube.run(*arguments).stderr


@pytest.mark.parametrize("metadata", [ASKING, {}, {"labels": {names.ALLOW_UNCONFINED: "true"}}])
def test_a_namespace_without_a_mistake_is_not_warned_of(kube: Kube, guarded: str, metadata: Json) -> None:
    assert said(kube, guarded, of_a_namespace("new", **metadata)) == ""
