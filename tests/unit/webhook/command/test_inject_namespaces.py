"""`pypi-connector inject` with a Namespace among the files: the Pods that it asks for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.clients.command_line import GOOD, call
from webhook import names

PLAIN = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: app, image: i}]}
"""
NAMESPACE = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: NAME
  labels: {{{names.INJECT}: enabled}}
  annotations: {{{names.CONNECTOR}: c}}
"""


def inject(folder: Path, document: str, *arguments: str, namespace: str = NAMESPACE) -> Any:
    (folder / "app.yaml").write_text(document)
    (folder / "namespace.yaml").write_text(namespace)
    return call("inject", "-f", "-", *arguments, "app.yaml", stdin=GOOD, folder=folder)


@pytest.mark.parametrize("name", ["default", "team"])
def test_a_pod_of_the_namespace_is_injected_and_no_other(tmp_path: Path, name: str) -> None:
    namespace = NAMESPACE.replace("NAME", name)
    result = inject(tmp_path, PLAIN, "-f", "namespace.yaml", "-n", "team", namespace=namespace)
    assert result.returncode == 0, result.stderr
    pod = yaml.safe_load(result.stdout)
    assert ("initContainers" in pod["spec"]) == (name == "team")


def test_a_namespace_beside_its_pods_is_met(tmp_path: Path) -> None:
    namespace = NAMESPACE.replace("NAME", "default")
    result = inject(tmp_path, f"{namespace}---\n{PLAIN}")
    assert result.returncode == 0, result.stderr
    documents = list(yaml.safe_load_all(result.stdout))
    assert documents[0] == yaml.safe_load(namespace)
    assert documents[1]["metadata"]["annotations"][names.CONNECTOR] == "c"


def test_a_pod_that_cannot_be_served_is_printed_with_the_reason(tmp_path: Path) -> None:
    namespace = NAMESPACE.replace("NAME", "default")
    pod = PLAIN.replace("spec: {", "spec: {hostNetwork: true, ")
    result = inject(tmp_path, pod, "-f", "namespace.yaml", namespace=namespace)
    assert result.returncode == 0
    assert "warning: no sidecar, though Namespace default asks for one: hostNetwork is set" in result.stderr
    assert "HostNetwork: no sidecar" in result.stderr
    assert "initContainers" not in result.stdout


def test_values_that_are_no_texts_are_read_as_texts(tmp_path: Path) -> None:
    """`kubectl apply` refuses them, with a sentence of its own."""
    namespace = NAMESPACE.replace("NAME", "default").replace(
        "connector: c}", f"connector: c, {names.PORT}: 80}}"
    )
    result = inject(tmp_path, PLAIN, "-f", "namespace.yaml", namespace=namespace)
    assert result.returncode == 2
    assert f"annotation {names.PORT} of Namespace default must be a whole number" in result.stderr
