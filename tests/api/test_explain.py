"""`pypi-connector explain` on a real API server, with the rights of its users."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from certs.authority import create_authority
from support.components.brokers import MANIFESTS, install, kubeconfig_of
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from webhook import names
from webhook.connector.manifest import parse_connector
from webhook.pod.decision import decide
from webhook.pod.settings import Settings

PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))
SETTINGS = Settings(
    sidecar_image="registry.example/sidecar:1",
    allowed_images=("registry.example/sidecar:1",),
    broker_ca=(create_authority(datetime.now(UTC)).certificate,),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    """Without the webhook and the guards, so that Pods may be as wrong as these tests need them."""
    with clusters.api_server() as alone:
        alone.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}})
        install(alone)
        yield alone


@pytest.fixture
def namespace(cluster: Kube) -> Iterator[str]:
    with cluster.namespace(prefix="team") as name:
        yield name


def explain(kubeconfig: Path, *arguments: str) -> CompletedProcess[str]:
    result = subprocess.run(
        [PROGRAM, "explain", *arguments],
        env={**clean(), "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result


def connector(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": "pypi", "namespace": namespace},
        "spec": {"connectorClassName": "pypi", "address": "https://registry.example"},
    }


def annotated(namespace: str, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "build",
            "namespace": namespace,
            "annotations": {names.CONNECTOR: "pypi"},
            **metadata,
        },
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }


def injected(namespace: str) -> dict[str, Any]:
    def lookup(_: str) -> Any:
        return parse_connector(connector(namespace))

    decision = decide(annotated(namespace), namespace=namespace, lookup=lookup, settings=SETTINGS)
    assert decision.pod
    return decision.pod


def run_sidecar(cluster: Kube, namespace: str) -> str:
    """What a kubelet would write; the Pod's uid."""
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status = {
        "name": names.SIDECAR,
        "image": "x",
        "imageID": "x",
        "restartCount": 0,
        "ready": True,
        "started": True,
    }
    patch = {"status": {"phase": "Running", "initContainerStatuses": [{**status, "state": state}]}}
    cluster.patch("pod", "build", patch, namespace, subresource="status")
    return str(cluster.get("pod", "build", namespace)["metadata"]["uid"])


def event(namespace: str, reason: str, message: str, regarding: dict[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{regarding['name']}.{reason.lower()}", "namespace": namespace},
        "involvedObject": {"namespace": namespace, **regarding},
        "related": {"kind": "Connector", "namespace": namespace, "name": "pypi"},
        "reason": reason,
        "message": message,
        "type": "Normal",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": "pypi-connector"},
    }


def test_a_served_pod_is_explained_and_exits_0(cluster: Kube, namespace: str) -> None:
    cluster.create(connector(namespace), injected(namespace))
    uid = run_sidecar(cluster, namespace)
    sentence = f"Connector {namespace}/pypi: install and upload"
    cluster.create(event(namespace, "Granted", sentence, {"kind": "Pod", "name": "build", "uid": uid}))
    result = explain(cluster.kubeconfig, "-n", namespace, "build")
    assert result.stdout.startswith(f"Pod {namespace}/build is served\n")
    assert f"granted    + {namespace}/pypi: install and upload, " in result.stdout
    assert "the product has not checked its present version yet" in result.stdout
    assert (result.returncode, result.stderr) == (0, "")


def test_the_newest_pod_of_a_job_is_found_by_its_labels(cluster: Kube, namespace: str) -> None:
    template = {
        "metadata": {"labels": {"job-name": "nightly"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "python"}]},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "nightly"},
        "spec": {"template": template},
    }
    job["metadata"] |= {"annotations": {names.CONNECTOR: "pypi"}}  # type: ignore[operator]
    cluster.create(job, namespace=namespace)
    made = cluster.get("job", "nightly", namespace)
    controller = {"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "controller": True}
    owner = {**controller, "uid": made["metadata"]["uid"]}
    labels = made["spec"]["selector"]["matchLabels"]
    pod = annotated(namespace, annotations={}, labels=labels, ownerReferences=[owner])
    cluster.create(pod)
    for target in ("job/nightly", "build"):
        result = explain(cluster.kubeconfig, "-n", namespace, target)
        assert f"annotation {names.CONNECTOR} is on Job nightly itself" in result.stdout
        assert "fix: move it to spec.template.metadata.annotations" in result.stdout
        assert result.returncode == 1
    assert explain(cluster.kubeconfig, "-n", namespace, "job/nightly").stdout.startswith(
        f"Pod {namespace}/build of Job {namespace}/nightly is not served\n"
    )


def test_a_pod_that_admission_refused_is_found_by_what_should_have_made_it(
    cluster: Kube, namespace: str
) -> None:
    message = (
        'Error creating: admission webhook "pods.connectors.alauda.io" denied the request: no such connector'
    )
    cluster.create(event(namespace, "FailedCreate", message, {"kind": "Job", "name": "nightly"}))
    result = explain(cluster.kubeconfig, "-n", namespace, "nightly-x7k2p")
    assert "Job nightly could not create its Pod" in result.stdout
    assert "no such connector" in result.stdout
    assert result.returncode == 1
    result = explain(cluster.kubeconfig, "-n", namespace, "other")
    assert f"try `pypi-connector explain -n {namespace} job/nightly`" in result.stderr
    assert (result.returncode, result.stdout) == (2, "")


def test_the_webhook_and_the_product_that_are_not_there_are_named(cluster: Kube, namespace: str) -> None:
    cluster.create(connector(namespace), annotated(namespace))
    result = explain(cluster.kubeconfig, "-n", namespace, "build")
    assert "no sidecar: the webhook is not registered" in result.stdout
    assert "fix: install the product" in result.stdout
    assert result.returncode == 1


def test_a_pod_of_an_earlier_installation_is_recognised(cluster: Kube, namespace: str) -> None:
    cluster.create(connector(namespace), injected(namespace))
    run_sidecar(cluster, namespace)
    another = create_authority(datetime.now(UTC)).certificate
    try:
        for present, is_of_another in ((another, True), (SETTINGS.broker_ca[0] + another, False)):
            encoded = base64.b64encode(present.encode()).decode()
            document = (MANIFESTS / "webhook" / "mutating.yaml").read_text()
            cluster.apply(document.replace("clientConfig:", f"clientConfig:\n      caBundle: {encoded}"))
            said = explain(cluster.kubeconfig, "-n", namespace, "build").stdout
            assert ("an earlier installation of the product injected it" in said) is is_of_another
    finally:
        cluster.delete("mutatingwebhookconfiguration", names.WEBHOOK_CONFIGURATION)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent"], 'pods "absent" not found in namespace'),
        (["job/absent"], 'jobs "absent" not found in namespace'),
        (["node/n"], "'node' makes no Pods: use one of pod, job"),
        (["--context", "nowhere", "absent"], "no access to a cluster"),
    ],
)
def test_what_is_not_there_is_bad_input(
    cluster: Kube, namespace: str, arguments: list[str], sentence: str
) -> None:
    result = explain(cluster.kubeconfig, "-n", namespace, *arguments)
    assert sentence in result.stderr
    assert (result.returncode, result.stdout) == (2, "")


def test_a_missing_kubeconfig_is_bad_input(tmp_path: Path) -> None:
    result = explain(tmp_path / "none", "-n", "x", "y")
    assert "set KUBECONFIG" in result.stderr
    assert result.returncode == 2


def test_without_a_namespace_that_of_the_context_is_taken(
    cluster: Kube, namespace: str, tmp_path: Path
) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    assert f'not found in namespace "{namespace}"' in explain(path, "absent").stderr
    assert 'not found in namespace "default"' in explain(cluster.kubeconfig, "absent").stderr


def test_an_api_server_that_does_not_answer_is_exit_1(cluster: Kube, tmp_path: Path) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    result = explain(path, "-n", "x", "y")
    assert "the API server did not answer GET" in result.stderr
    assert result.returncode == 1


def role(*rules: tuple[str, str]) -> dict[str, Any]:
    """To get and list each resource of a group."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [
            {"apiGroups": [group], "resources": [name], "verbs": ["get", "list"]} for group, name in rules
        ],
    }


BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
}


def test_what_a_person_may_not_read_is_said(cluster: Kube, namespace: str, tmp_path: Path) -> None:
    cluster.create(connector(namespace), injected(namespace))
    run_sidecar(cluster, namespace)
    person = kubeconfig_of(cluster, tmp_path, namespace, "default")
    result = explain(person, "-n", namespace, "build")
    assert f"you may not read Pods in namespace {namespace}: ask its administrator" in result.stderr
    assert (result.returncode, result.stdout) == (1, "")

    subjects = [{**BINDING["subjects"][0], "namespace": namespace}]  # type: ignore[index,dict-item]
    cluster.create(role(("", "pods")), {**BINDING, "subjects": subjects}, namespace=namespace)
    result = cluster.wait_for(
        lambda: answered if (answered := explain(person, "-n", namespace, "build")).stdout else None
    )
    assert result.stdout.startswith(f"Pod {namespace}/build is ready to be served, as far as you may see\n")
    for what in ("Events", "Connectors", "logs of Pods"):
        assert f"you may not read {what} in namespace {namespace}: ask an administrator" in result.stdout
    assert result.returncode == 0
