"""The admission process with a real API server: the Pods that people create, and their outcomes."""

import json
import signal
import time
from collections.abc import Iterator

import pytest

from support.components.admissions import CONNECTOR, IMAGE, Process, pod, registered_admission
from support.kubernetes.kube import Kube
from webhook import names


@pytest.fixture(scope="module")
def admission(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with registered_admission(kube, tmp_path_factory.mktemp("admission")) as process:
        yield process


@pytest.mark.usefixtures("admission")
def test_an_annotated_pod_is_injected(kube: Kube, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    kube.create(pod(), namespace=namespace)
    found = kube.get("pod", "build", namespace)
    first = found["spec"]["initContainers"][0]
    assert (first["name"], first["image"], first["restartPolicy"]) == (names.SIDECAR, IMAGE, "Always")
    assert found["metadata"]["labels"] == {names.INJECTED_LABEL: "true"}
    assert json.loads(found["metadata"]["annotations"][names.RESULT])["decision"] == "injected"
    assert found["spec"]["imagePullSecrets"] == [{"name": "mirror"}]


@pytest.mark.usefixtures("admission")
def test_a_connector_of_the_same_apply_is_found_before_any_watch_reports_it(
    kube: Kube, namespace: str
) -> None:
    for number in range(10):
        connector = {**CONNECTOR, "metadata": {"name": f"c-{number}"}}
        kube.create(connector, pod(f"p-{number}", {names.CONNECTOR: f"c-{number}"}), namespace=namespace)
    assert len(kube.list("pods", namespace)) == 10


@pytest.mark.usefixtures("admission")
def test_a_connector_that_is_not_there_is_a_sentence(kube: Kube, namespace: str) -> None:
    said = kube.refused(pod(), namespace=namespace)
    assert f"connector team-pypi not found in namespace {namespace}: create it, or name another" in said
    kube.create(CONNECTOR, namespace=namespace)
    kube.create(pod(), namespace=namespace)


@pytest.mark.usefixtures("admission")
def test_a_deleted_connector_is_not_found_any_more(kube: Kube, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    kube.create(pod("before"), namespace=namespace)
    kube.delete("connector", "team-pypi", namespace)
    kube.wait_for(
        lambda: "not found" in kube.create(pod("after"), namespace=namespace, check=False).stderr,
        what="the deletion to be seen",
    )


@pytest.mark.usefixtures("admission")
def test_the_namespaces_label_lifts_what_it_lifts_at_once(kube: Kube, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    reaching = pod(volumes=[{"name": "node", "hostPath": {"path": "/"}}])
    assert names.ALLOW_UNCONFINED in kube.refused(reaching, namespace=namespace)
    kube.run("label", "namespace", namespace, f"{names.ALLOW_UNCONFINED}=true")
    kube.wait_for(
        lambda: kube.create(reaching, namespace=namespace, check=False).returncode == 0,
        what="the label to be seen",
    )


AGENT = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{spec: Object.spec{volumes: [Object.spec.volumes{name: "agent",
        hostPath: Object.spec.volumes.hostPath{path: "/var/run/agent"}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec: {policyName: NAMESPACE}
"""
"""What the webhook of an agent does, from Kubernetes 1.36 on without a webhook"""


@pytest.mark.usefixtures("admission")
def test_the_refusal_of_a_volume_tells_whether_its_author_is_the_pods(kube: Kube, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    own = {"name": "own", "hostPath": {"path": "/"}}
    try:
        kube.apply(AGENT.replace("NAMESPACE", namespace))
        said = kube.wait_for(
            lambda: _saying(kube.refused(pod(volumes=[own]), namespace=namespace), "agent"),
            what="the policy to be in effect",
        )
        assert "volume own is a hostPath: " in said
        assert "volume agent is a hostPath, and not the author's: another webhook has added it" in said
    finally:
        kube.run("delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", namespace)


def _saying(said: str, word: str) -> str | None:
    return said if word in said else None


def test_pods_that_ask_for_nothing_are_not_even_reviewed(
    kube: Kube, namespace: str, admission: Process
) -> None:
    before = len(admission.lines())
    for name, annotations in {
        "plain": {},
        "others": {"example.com/connector": "x"},
        "opted-out": {names.CONNECTOR: "nowhere", names.INJECT: "false"},
    }.items():
        kube.create(pod(name, annotations), namespace=namespace)
    kube.create({**pod("no-map"), "metadata": {"name": "no-map"}}, namespace=namespace)
    assert [one for one in admission.lines()[before:] if one["message"] == "admission"] == []


def test_with_the_webhook_down_annotated_pods_are_refused_and_others_start(
    kube: Kube, namespace: str, admission: Process
) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    admission.popen.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = kube.refused(pod(), namespace=namespace)
        assert 'failed calling webhook "pods.connectors.alauda.io"' in said
        assert time.monotonic() - began < 8
        kube.create(pod("plain", {}), namespace=namespace)
    finally:
        admission.popen.send_signal(signal.SIGCONT)
    kube.create(pod("later"), namespace=namespace)


@pytest.mark.usefixtures("admission")
def test_a_sidecar_that_another_webhook_strips_is_repaired_and_reported(kube: Kube, namespace: str) -> None:
    """A restored copy: all of ours is there, and stale."""
    kube.create(CONNECTOR, namespace=namespace)
    kube.create(pod(), namespace=namespace)
    copy = kube.get("pod", "build", namespace)
    copy["metadata"] = {
        "name": "restored",
        "annotations": copy["metadata"]["annotations"],
        "labels": copy["metadata"]["labels"],
    }
    copy.pop("status")
    ours = copy["spec"]["initContainers"][0]
    del ours["restartPolicy"]
    ours["image"] = "registry.example/pypi-connector-sidecar:0"
    kube.create(json.dumps(copy), namespace=namespace)
    found = kube.get("pod", "restored", namespace)["spec"]["initContainers"]
    assert [one["name"] for one in found].count(names.SIDECAR) == 1
    assert (found[0]["restartPolicy"], found[0]["image"]) == ("Always", IMAGE)


def test_each_admission_is_one_line_in_the_log(kube: Kube, namespace: str, admission: Process) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    before = len(admission.lines())
    kube.create(pod(), namespace=namespace)
    lines = [one for one in admission.lines()[before:] if one["message"] == "admission"]
    # the API server asks again after changing the new container itself (reinvocationPolicy)
    assert 1 <= len(lines) <= 2
    assert {(one["namespace"], one["pod"], one["allowed"], one["reason"]) for one in lines} == {
        (namespace, "build", True, "Injected")
    }
