"""Namespaces that ask for their Pods, with a real API server, the admission process and the guards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.checkout import MANIFESTS
from support.components.admissions import CONNECTOR, Process, pod, registered_admission
from support.kubernetes import guards
from support.kubernetes.kube import Kube
from webhook import names

LABEL = {names.INJECT: names.OPTED_IN}
PLAIN: dict[str, str] = {}


@pytest.fixture(scope="module")
def admission(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with registered_admission(kube, tmp_path_factory.mktemp("admission")) as process:
        guard = str(MANIFESTS / "policies" / "injected.yaml")
        is_new = "created" in kube.run("apply", "-f", guard).stdout
        yield process
        if is_new:
            kube.run("delete", "-f", guard)


@contextmanager
def asking(kube: Kube, **annotations: str) -> Iterator[str]:
    """A namespace with the label, a Connector, and these annotations of ours."""
    with kube.namespace(labels=LABEL, prefix="asking") as name:
        kube.create(CONNECTOR, namespace=name)
        chosen = {"connector": "team-pypi", **annotations}
        marks = [f"{names.GROUP}/{key.replace('_', '-')}={value}" for key, value in chosen.items()]
        kube.run("annotate", "namespace", name, *marks)
        yield name


def reviews(process: Process, namespace: str) -> list[dict[str, Any]]:
    lines = [line for line in process.lines() if line["message"] == "admission"]
    return [line for line in lines if line["namespace"] == namespace]


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(found["metadata"]["annotations"][names.RESULT]))


def created(kube: Kube, namespace: str, manifest: dict[str, Any]) -> dict[str, Any]:
    kube.wait_for(
        lambda: kube.create(manifest, namespace=namespace, check=False).returncode == 0,
        what="the label and the annotation to be seen",
    )
    return kube.get("pod", manifest["metadata"]["name"], namespace)


@pytest.mark.usefixtures("admission")
def test_a_pod_that_asks_for_nothing_is_injected_as_if_it_were_annotated(kube: Kube) -> None:
    with asking(kube, configurations="pipconf", log_level="debug") as namespace:
        found = created(kube, namespace, pod("build", PLAIN))
        annotations = found["metadata"]["annotations"]
        assert annotations[names.CONNECTOR] == "team-pypi"
        assert annotations[names.CONFIGURATIONS] == "pipconf"
        assert annotations[names.LOG_LEVEL] == "debug"
        assert found["metadata"]["labels"] == {names.INJECTED_LABEL: "true"}
        assert found["spec"]["initContainers"][0]["name"] == names.SIDECAR
        assert result_of(found)["askedBy"] == "Namespace"


def test_each_pod_is_reviewed_by_one_entry(kube: Kube, admission: Process) -> None:
    """Which the API server calls again, if it has changed the Pod itself since."""
    with asking(kube, log_level="debug") as namespace:
        created(kube, namespace, pod("plain", PLAIN))
        before = len(reviews(admission, namespace))
        kube.create(pod("another", PLAIN), namespace=namespace)
        of_plain = reviews(admission, namespace)[before:]
        kube.create(pod("asking"), namespace=namespace)
        of_asking = reviews(admission, namespace)[before + len(of_plain) :]
        assert {line["reason"] for line in (*of_plain, *of_asking)} == {"Injected"}
        with kube.namespace(prefix="unlabelled") as other:
            kube.create(CONNECTOR, namespace=other)
            kube.create(pod("asking"), namespace=other)
            usual = len(reviews(admission, other))
        assert (len(of_plain), len(of_asking)) == (usual, usual)


@pytest.mark.usefixtures("admission")
def test_the_objects_of_controllers_and_generated_names_are_injected(kube: Kube) -> None:
    with asking(kube) as namespace:
        created(kube, namespace, pod("first", PLAIN))
        kube.run("-n", namespace, "run", "ran", "--image=example.test/app:1")
        generated = pod("x", PLAIN)
        generated["metadata"] = {"generateName": "generated-"}
        kube.create(json.dumps(generated), namespace=namespace)
        for found in kube.list("pods", namespace):
            assert found["spec"]["initContainers"][0]["name"] == names.SIDECAR


@pytest.mark.usefixtures("admission")
def test_a_pods_own_connector_wins(kube: Kube) -> None:
    with asking(kube, port="8123", log_level="debug") as namespace:
        kube.create({**CONNECTOR, "metadata": {"name": "other"}}, namespace=namespace)
        found = created(kube, namespace, pod("own", {names.CONNECTOR: "other"}))
        annotations = found["metadata"]["annotations"]
        assert (annotations[names.CONNECTOR], annotations[names.LOG_LEVEL]) == ("other", "debug")
        assert names.PORT not in annotations
        assert "askedBy" not in result_of(found)


@pytest.mark.usefixtures("admission")
def test_a_pod_opts_out(kube: Kube) -> None:
    with asking(kube) as namespace:
        found = created(kube, namespace, pod("out", {names.INJECT: "false"}))
        assert "initContainers" not in found["spec"]
        assert found["metadata"]["annotations"] == {names.INJECT: "false"}


UNSERVABLE: dict[str, tuple[dict[str, Any], str]] = {
    "host-network": ({"hostNetwork": True}, "HostNetwork"),
    "host-pid": ({"hostPID": True}, "HostPID"),
    "shared": ({"shareProcessNamespace": True}, "ShareProcessNamespace"),
    "windows": ({"os": {"name": "windows"}}, "Windows"),
    "host-path": ({"volumes": [{"name": "n", "hostPath": {"path": "/"}}]}, "HostPathVolume"),
}


@pytest.mark.usefixtures("admission")
def test_pods_that_cannot_be_served_start_with_a_warning(kube: Kube) -> None:
    with asking(kube) as namespace:
        created(kube, namespace, pod("first", PLAIN))
        for name, (fields, reason) in UNSERVABLE.items():
            warned = kube.create(pod(name, PLAIN, **fields), namespace=namespace).stderr
            assert f"Warning: no sidecar, though Namespace {namespace} asks for one: " in warned
            found = kube.get("pod", name, namespace)
            assert "initContainers" not in found["spec"]
            assert names.INJECTED_LABEL not in (found["metadata"].get("labels") or {})
            assert (result_of(found)["decision"], result_of(found)["reason"]) == ("skipped", reason)


@pytest.mark.usefixtures("admission")
def test_a_pod_that_asks_itself_and_cannot_be_served_is_refused(kube: Kube) -> None:
    with asking(kube) as namespace:
        created(kube, namespace, pod("first", PLAIN))
        assert "hostNetwork is set" in kube.refused(pod("own", hostNetwork=True), namespace=namespace)


@pytest.mark.usefixtures("admission")
def test_what_the_namespace_got_wrong_refuses_its_pods_with_its_name(kube: Kube) -> None:
    with asking(kube, port="80") as namespace:
        said = kube.wait_for(
            lambda: _saying(kube.refused(pod("build", PLAIN), namespace=namespace), "port"),
            what="the annotation to be seen",
        )
        assert f"annotation {names.PORT} of Namespace {namespace} must be a whole number" in said
        kube.run(
            "annotate", "namespace", namespace, f"{names.PORT}-", f"{names.CONNECTOR}=gone", "--overwrite"
        )
        said = kube.wait_for(
            lambda: _saying(kube.refused(pod("build", PLAIN), namespace=namespace), "gone"),
            what="the other annotation to be seen",
        )
        assert f"connector gone not found in namespace {namespace}" in said


def _saying(said: str, word: str) -> str | None:
    return said if word in said else None


@pytest.mark.usefixtures("admission")
def test_a_label_without_a_connector_warns_and_lets_pass(kube: Kube) -> None:
    with kube.namespace(labels=LABEL, prefix="asking") as namespace:
        warned = kube.create(pod("build", PLAIN), namespace=namespace).stderr
        assert f"Warning: Namespace {namespace} has the label" in warned


def test_the_namespaces_pods_keep_their_annotations_in_the_second_round(
    kube: Kube, admission: Process
) -> None:
    """A restored copy, in the same Namespace and in another."""
    with asking(kube) as namespace, kube.namespace(prefix="unlabelled") as other:
        copy = created(kube, namespace, pod("build", PLAIN))
        metadata = {key: copy["metadata"][key] for key in ("annotations", "labels")}
        copy = {**copy, "metadata": {"name": "restored", **metadata}}
        copy.pop("status")
        kube.create(json.dumps(copy), namespace=namespace)
        again = kube.get("pod", "restored", namespace)
        assert result_of(again)["askedBy"] == "Namespace"
        kube.create(CONNECTOR, namespace=other)
        kube.create(json.dumps(copy), namespace=other)
        assert "askedBy" not in result_of(kube.get("pod", "restored", other))
        assert {line["reason"] for line in reviews(admission, other)} == {"Injected"}


def test_without_the_webhook_no_pod_starts_unless_it_opts_out(kube: Kube, admission: Process) -> None:
    with asking(kube) as namespace:
        created(kube, namespace, pod("first", PLAIN))
        kube.run("delete", "mutatingwebhookconfiguration", names.WEBHOOK_CONFIGURATION)
        said = kube.wait_for(
            lambda: _saying(
                guards.create(pod("late", PLAIN))(kube, namespace).stderr,
                "not asked about this one",
            ),
            what="the registration to be gone",
        )
        assert f"Namespace {namespace} asks for a connector for each Pod" in said
        kube.create(pod("out", {names.INJECT: "false"}), namespace=namespace)
