"""A class of one's own on a real node: its files reach Pods by annotation and by CSI volume."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, job, run_job
from webhook import names

PIP_CONF = "[global]\nindex-url = {{ index_url }}\ntimeout = 77\nno-binary = nothing-of-ours\n"
LIMITS = "hello-connector<9 # for {{ connector.name }}\n"
READ = (
    "pip config debug | grep timeout; cat {0}/limits.txt; "
    "pip install --quiet --target $(mktemp -d) -c {0}/limits.txt hello-connector"
)


@pytest.fixture(scope="module")
def strict(installed: Kube) -> Iterator[str]:
    """The class, ready."""
    name = "e2e-strict"
    configurations = [
        {"name": "pipconf", "data": {"pip.conf": PIP_CONF}},
        {"name": "limits", "data": {"limits.txt": LIMITS}},
    ]
    installed.apply(
        {
            "apiVersion": names.API_VERSION,
            "kind": "ConnectorClass",
            "metadata": {"name": name},
            "spec": {"configurations": configurations, "params": [{"name": "access", "default": "read"}]},
        }
    )
    installed.wait_for_condition("connectorclass", name, "Ready")
    yield name
    installed.delete("connectorclass", name)


@pytest.fixture
def declared(installed: Kube, registry: Registry, strict: str, namespace: str) -> str:
    objects = connector("strict", registry)
    objects[-1]["spec"]["connectorClassName"] = strict
    installed.create(*objects, namespace=namespace)
    installed.wait_for_condition("connector", "strict", "Ready", namespace)
    return namespace


def test_a_pod_gets_the_files_of_its_class(installed: Kube, declared: str) -> None:
    annotations = {names.CONFIGURATIONS: "pipconf,limits"}
    script = READ.format("/etc/pypi-connector")
    outcome = run_job(installed, declared, job("by-annotation", script, "strict", annotations=annotations))
    assert outcome.succeeded, outcome.log
    assert "global.timeout: 77" in outcome.log
    assert "hello-connector<9 # for strict" in outcome.log


def test_a_csi_volume_gets_them_too(installed: Kube, declared: str) -> None:
    attributes = {"connector.name": "strict", "configuration.names": "pipconf,limits"}
    volume: dict[str, Any] = {
        "name": "files",
        "csi": {"driver": names.CSI_DRIVER, "readOnly": True, "volumeAttributes": attributes},
    }
    manifest = job("by-volume", READ.format("/files"), None, volumes=[volume])
    main = manifest["spec"]["template"]["spec"]["containers"][0]
    main["volumeMounts"] = [{"name": "files", "mountPath": "/files"}]
    main["env"] = [{"name": "PIP_CONFIG_FILE", "value": "/files/pip.conf"}]
    outcome = run_job(installed, declared, manifest)
    assert outcome.succeeded, outcome.log
    assert "global.timeout: 77" in outcome.log
    assert json.loads(outcome.pod["metadata"]["annotations"][names.RESULT])["decision"] == "injected"
