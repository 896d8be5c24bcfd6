"""Guard 6: a misplaced annotation gets a warning, and nothing is refused."""

from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS
from support.kubernetes import guards
from support.kubernetes.kube import Kube
from webhook import names

GUARD = "pypi-connector-misplaced"
POLICY = MANIFESTS / "policies" / "misplaced.yaml"
CONTROLLED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "1", "controller": True}
ANNOTATION = {"connectors.alauda.io/connector": "pypi"}
KINDS = {
    "apps/v1": ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"],
    "batch/v1": ["Job", "CronJob"],
}
WORKLOADS = [(version, kind) for version, kinds in KINDS.items() for kind in kinds]


def prepare(kube: Kube, namespace: str) -> None:
    """Nothing: the mistakes are creations."""


def workload(
    version: str, kind: str, *, own: Any = None, template: Any = None, job: Any = None
) -> dict[str, Any]:
    """With annotations at each place that has some."""
    restart = "Never" if version == "batch/v1" else "Always"
    pods = {
        "metadata": {"labels": {"app": "x"}, "annotations": template},
        "spec": {"restartPolicy": restart, "containers": [{"name": "app", "image": "example.test/app:1"}]},
    }
    spec: dict[str, Any] = {"template": pods}
    if version == "apps/v1":
        spec["selector"] = {"matchLabels": {"app": "x"}}
    if kind == "CronJob":
        spec = {"schedule": "0 0 * * *", "jobTemplate": {"metadata": {"annotations": job}, "spec": spec}}
    metadata = {"name": "w", "annotations": own}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def said(kube: Kube, namespace: str, manifest: dict[str, Any]) -> str:
    result = guards.create(manifest)(kube, namespace)
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.mark.parametrize(("version", "kind"), WORKLOADS)
def test_an_annotation_on_the_workload_itself_is_warned_of(
    kube: Kube, guarded: str, version: str, kind: str
) -> None:
    warning = said(kube, guarded, workload(version, kind, own=ANNOTATION))
    path = "spec.jobTemplate.spec.template" if kind == "CronJob" else "spec.template"
    assert f"connectors.alauda.io/connector does nothing on a {kind} itself: put it under {path}" in warning


@pytest.mark.parametrize(("version", "kind"), WORKLOADS)
def test_an_annotation_on_the_template_is_not_warned_of(
    kube: Kube, guarded: str, version: str, kind: str
) -> None:
    assert said(kube, guarded, workload(version, kind, template=ANNOTATION)) == ""
    assert said(kube, guarded, workload(version, kind, own=ANNOTATION, template=ANNOTATION)) == ""
    assert said(kube, guarded, workload(version, kind, own={"example.test/x": "y"})) == ""
    assert said(kube, guarded, workload(version, kind)) == ""


def test_an_annotation_on_the_job_template_of_a_cron_job_is_warned_of(kube: Kube, guarded: str) -> None:
    assert "does nothing on a CronJob" in said(kube, guarded, workload("batch/v1", "CronJob", job=ANNOTATION))


def test_every_annotation_that_is_read_from_pods_is_known() -> None:
    policy = next(yaml.safe_load_all(POLICY.read_text()))
    expression = next(one["expression"] for one in policy["spec"]["variables"] if one["name"] == "read")
    known = [f"connectors.alauda.io/{name}" for name in expression.split("'")[1:-2:2]]
    assert known == list(names.AUTHOR_ANNOTATIONS)


def test_all_that_are_misplaced_are_named(kube: Kube, guarded: str) -> None:
    everything = dict.fromkeys(names.AUTHOR_ANNOTATIONS, "1")
    warning = said(kube, guarded, workload("apps/v1", "Deployment", own=everything, template=ANNOTATION))
    assert [name for name in everything if f"{name}," in warning or f"{name} does" in warning] == [
        *names.AUTHOR_ANNOTATIONS[1:]
    ]


def test_what_a_controller_copies_is_not_warned_of(kube: Kube, guarded: str) -> None:
    """A Deployment's annotations come to its ReplicaSets; only a log would see the warning."""
    replicas = workload("apps/v1", "ReplicaSet", own=ANNOTATION)
    replicas["metadata"]["ownerReferences"] = [CONTROLLED]
    assert said(kube, guarded, replicas) == ""


def test_an_update_is_warned_of_too(kube: Kube, guarded: str) -> None:
    kube.create(workload("apps/v1", "Deployment"), namespace=guarded)
    result = kube.patch("deployment", "w", {"metadata": {"annotations": ANNOTATION}}, guarded)
    assert "does nothing on a Deployment itself" in result.stderr


def test_without_the_guard_nobody_says_anything(kube: Kube, unguarded: str) -> None:
    mistake = workload("apps/v1", "Deployment", own=ANNOTATION)
    kube.wait_for(lambda: said(kube, unguarded, mistake) == "", what="the guard to be lifted")
