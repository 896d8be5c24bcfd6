"""Installing, installing again and removing, each by one command, on a bare API server of these tests' own.

What runs afterwards is tested on a node (tests/e2e); here it is what the API server holds, and whom it
refuses. Not on the cluster of KUBECONFIG: this removes the product.
"""

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS, ROOT
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from webhook import names

DEFAULT = MANIFESTS / "overlays" / "default"

ALWAYS_CONFIGURED = "poddisruptionbudget.policy/"
"""kubectl patches a PodDisruptionBudget's selector every time (its patch strategy is `replace`), and says
`configured`; the API server changes nothing."""


@pytest.fixture(scope="module")
def bare() -> Iterator[Kube]:
    with clusters.api_server() as kube:
        yield kube


@pytest.fixture(scope="module")
def installed(bare: Kube) -> Kube:
    """By one command, while Pods are created."""
    with bare.namespace() as namespace, creating_pods(bare, namespace) as answers:
        said = bare.run("apply", "-k", str(DEFAULT))
        bare.wait_for(lambda: guard_in_force(bare, namespace), what="the guards to be in force")
    assert "Warning" not in said.stderr, "of Pod Security, for one"
    lines = said.stdout.splitlines()
    assert len(lines) == len(rendered(bare, DEFAULT))
    assert all(line.endswith(" created") for line in lines)
    assert_none_refused(answers)
    return bare


@pytest.fixture
def namespace(bare: Kube) -> Iterator[str]:
    with bare.namespace() as name:
        yield name


def rendered(kube: Kube, overlay: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kube.run("kustomize", str(overlay)).stdout))


def stored(kube: Kube) -> dict[str, dict[str, Any]]:
    """`Kind/name` → the object, without its status, which controllers write, and its version."""
    answer = json.loads(kube.run("get", "-k", str(DEFAULT), "-o", "json").stdout)
    for one in answer["items"]:
        one.pop("status", None)
        one["metadata"].pop("resourceVersion")
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in answer["items"]}


def pod(name: str = "p", **annotations: str) -> dict[str, Any]:
    keys = {f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata: dict[str, Any] = {"name": name} | ({"annotations": keys} if keys else {})
    containers = [{"name": "main", "image": "example.test/never-pulled"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def test_applying_again_changes_nothing(installed: Kube) -> None:
    before = stored(installed)
    lines = installed.run("apply", "-k", str(DEFAULT)).stdout.splitlines()
    changed = [line for line in lines if not line.endswith(" unchanged")]
    assert all(line.startswith(ALWAYS_CONFIGURED) for line in changed)
    assert stored(installed) == before


def test_applying_again_keeps_the_ca_that_the_product_wrote(installed: Kube) -> None:
    operation = {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Y2E="}
    kind = "mutatingwebhookconfiguration"
    installed.patch(kind, names.WEBHOOK_CONFIGURATION, [operation], kind_of_patch="json")
    installed.run("apply", "-k", str(MANIFESTS / "webhook"))
    kept = installed.get(kind, names.WEBHOOK_CONFIGURATION)
    assert kept["webhooks"][0]["clientConfig"]["caBundle"] == "Y2E="
    remove = {"op": "remove", "path": operation["path"]}
    installed.patch(kind, names.WEBHOOK_CONFIGURATION, [remove], kind_of_patch="json")


def test_server_side_apply_takes_it_too(installed: Kube) -> None:
    said = installed.run(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", str(DEFAULT)
    ).stdout
    assert len(said.splitlines()) == len(rendered(installed, DEFAULT))


def test_one_rendered_file_holds_the_same(installed: Kube) -> None:
    subprocess.run(["make", "-s", "install-yaml", f"KUBECTL={installed.kubectl}"], cwd=ROOT, check=True)
    file = ROOT / "build" / "install.yaml"
    assert list(yaml.safe_load_all(file.read_text())) == rendered(installed, DEFAULT)


@pytest.mark.parametrize("deployment", [names.ADMISSION, names.BROKER])
def test_the_products_own_pods_pass_pod_security_restricted(installed: Kube, deployment: str) -> None:
    template = installed.get("deployment", deployment, names.NAMESPACE)["spec"]["template"]
    metadata = {"name": "own", "labels": template["metadata"]["labels"]}
    said = installed.create(
        pod() | {"metadata": metadata, "spec": template["spec"]}, namespace=names.NAMESPACE
    )
    assert said.stderr == "", "a warning of Pod Security"
    installed.delete("pod", "own", names.NAMESPACE, now=True)


def test_pod_security_is_enforced_beside_the_product(installed: Kube) -> None:
    assert "violates PodSecurity" in installed.refused(pod("lax"), namespace=names.NAMESPACE)


# -- whom the registration reaches. No admission runs here: who is selected is refused


def test_pods_that_name_no_connector_do_not_need_the_webhook(installed: Kube, namespace: str) -> None:
    empty = {"name": "empty", "annotations": {}}
    other = {"name": "other", "annotations": {"example.test/connector": "x"}}
    labelled = {"name": "labelled", "labels": {names.CONNECTOR: "x"}}
    installed.create(
        pod("plain"),
        *(pod() | {"metadata": metadata} for metadata in (empty, other, labelled)),
        pod("out", connector="a", inject="false"),
        namespace=namespace,
    )


@pytest.mark.parametrize("annotation", ["connector", "publish_connector"])
def test_pods_that_name_a_connector_are_refused_without_it(
    installed: Kube, namespace: str, annotation: str
) -> None:
    sentence = installed.refused(pod(**{annotation: "a"}), namespace=namespace)
    assert 'failed calling webhook "pods.connectors.alauda.io"' in sentence
    assert names.ADMISSION in sentence


@pytest.mark.parametrize("value", ["False", "true", ""])
def test_only_the_exact_word_opts_out(installed: Kube, namespace: str, value: str) -> None:
    sentence = installed.refused(pod(connector="a", inject=value), namespace=namespace)
    assert "failed calling webhook" in sentence


@pytest.mark.parametrize("place", ["kube-system", names.NAMESPACE])
def test_the_products_and_the_clusters_own_namespace_are_left_alone(installed: Kube, place: str) -> None:
    said = installed.create(pod("left-alone", connector="a"), namespace=place, check=False).stderr
    assert "failed calling webhook" not in said
    installed.delete("pod", "left-alone", place, now=True)


# -- removal; the last, for what is installed is gone then


def test_removing_it_refuses_no_pod_and_leaves_nothing_behind(installed: Kube, namespace: str) -> None:
    registry = {"connectorClassName": "pypi", "address": "https://pypi.org"}
    connector = {"apiVersion": names.API_VERSION, "kind": "Connector", "metadata": {"name": "a"}}
    installed.create({**connector, "spec": registry}, namespace=namespace)
    assert any(one.startswith("mutatingwebhookconfiguration") for one in cluster_scoped(installed))
    with creating_pods(installed, namespace) as answers:
        # 6 s; where the machine is busy the namespace's controller fails and backs off, up to a minute each
        installed.run("delete", "-k", str(DEFAULT), timeout=400)
        installed.wait_for(lambda: not guard_in_force(installed, namespace), what="the guards to be gone")
    assert_none_refused(answers)
    assert cluster_scoped(installed) == set()
    installed.create(pod("annotated", connector="a"), namespace=namespace)


def cluster_scoped(kube: Kube) -> set[str]:
    kinds = "clusterroles,clusterrolebindings,crds,mutatingwebhookconfigurations,namespaces"
    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    said = kube.run("get", f"{kinds},{policies}", "-o", "name").stdout.splitlines()
    return {name for name in said if re.search(r"pypi-connector|connectors\.alauda\.io", name)}


def guard_in_force(kube: Kube, namespace: str) -> bool:
    token = ("create", "token", "default", "-n", namespace, "--audience=pypi-connector")
    return kube.run(*token, check=False).returncode != 0


@contextmanager
def creating_pods(kube: Kube, namespace: str) -> Iterator[list[str]]:
    """One after the other, meanwhile, not stored. The list receives what the API server answers."""
    answers: list[str] = []
    ended = threading.Event()
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    body, kind = json.dumps(pod()), {"Content-Type": "application/json"}

    def create(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not ended.wait(0.02):
            connection.request("POST", path, body, kind)
            answer = connection.getresponse()
            text = answer.read().decode()
            answers.append("created" if answer.status == 201 else text)
        connection.close()

    with subprocess.Popen(kube.command("proxy", "--port=0"), stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        port = int(proxy.stdout.readline().rsplit(":", 1)[1])
        thread = threading.Thread(target=create, args=(port,))
        thread.start()
        try:
            yield answers
        finally:
            ended.set()
            thread.join()
            proxy.terminate()


def assert_none_refused(answers: list[str]) -> None:
    assert len(answers) > 20, "too few to tell"
    assert [answer for answer in answers if answer != "created"] == []


# -- choices


def test_with_selected_namespaces_only_the_binding_of_secrets_is_missing(bare: Kube) -> None:
    everything = rendered(bare, DEFAULT)
    selected = rendered(bare, MANIFESTS / "overlays" / "selected-namespaces")
    missing = [(one["kind"], one["metadata"]["name"]) for one in everything if one not in selected]
    assert missing == [("ClusterRoleBinding", names.SECRET_READER_ROLE)]
    assert len(selected) == len(everything) - 1


def test_an_overlay_of_ones_own_changes_what_it_names(bare: Kube, tmp_path: Path) -> None:
    """As docs/install.md shows it, from a clone beside it."""
    document = (ROOT / "docs" / "install.md").read_text()
    blocks = re.findall(r"```yaml\n# mine/(\S+)\n(.*?)```", document, re.DOTALL)
    assert [name for name, _ in blocks] == ["kustomization.yaml", "settings.yaml"]
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, text in blocks:
        (mine / name).write_text(text)
    (tmp_path / "pypi-connector").symlink_to(ROOT)
    deployments = [one for one in rendered(bare, mine) if one["kind"] == "Deployment"]
    assert len(deployments) == 2
    for one in deployments:
        spec = one["spec"]["template"]["spec"]
        variables = {entry["name"]: entry.get("value") for entry in spec["containers"][0]["env"]}
        assert spec["imagePullSecrets"] == [{"name": "mirror"}]
        assert spec["containers"][0]["image"].startswith("mirror.example.com/")
        assert variables["WEBHOOK_SIDECAR_IMAGE"].startswith("mirror.example.com/")
        assert variables["WEBHOOK_PULL_SECRETS"] == "mirror"
        assert variables["WEBHOOK_LOG_LEVEL"] == "info", "what it does not name stays"
