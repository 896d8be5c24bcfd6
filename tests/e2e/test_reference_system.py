"""The reference system's page on a real node: its manifests and files as they are, but for the address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kubernetes import seed
from support.kubernetes.kube import Kube
from support.scenarios import product
from support.scenarios.scenes import USERNAME, Registry, job, pod, run_in, run_job, wait_for_phase

CONNECTOR = "pypi-connector"
INSTALL = "pip install --quiet --no-cache-dir --target $(mktemp -d)"
BUILD = "new-project {0} 9.1; python3 -m build --wheel --no-isolation {0}"
PIP_CONF = """\
[global]
index-url = http://{namespace}-pypi-connector:{token}@c-pypi-connector.{namespace}.svc.cluster.local/simple/
timeout = 30

[install]
trusted-host = c-pypi-connector.{namespace}.svc.cluster.local
"""
PYPIRC = """\
[distutils]
index-servers = connectors-pypi

[connectors-pypi]
repository = http://c-pypi-connector.{namespace}.svc.cluster.local/
username = {namespace}-pypi-connector
password = {token}
"""


@pytest.fixture(scope="module")
def demo(installed: Kube, registry: Registry) -> Iterator[tuple[Kube, str]]:
    """A namespace with the page's Secret and Connector."""
    with product.gateway(installed), installed.namespace(prefix="connectors-pypi-demo") as namespace:
        secret = yaml.safe_load(seed.SECRET)
        secret["stringData"] = {"username": USERNAME, "password": registry.password}
        declared = yaml.safe_load(seed.WITHOUT_SECRET)
        declared["spec"]["address"] = registry.address
        declared["spec"]["auth"]["secretRef"] = {"name": secret["metadata"]["name"]}
        # the registry of the tests speaks http
        declared["spec"]["params"] = [{"name": "allowInsecureHTTP", "value": "true"}]
        installed.create(yaml.safe_dump(secret), yaml.safe_dump(declared), namespace=namespace)
        for condition in ("Ready", "ProxyServiceReady"):
            installed.wait_for_condition("connector", CONNECTOR, condition, namespace)
        yield installed, namespace


def test_the_recorded_address_and_the_two_documented_files_serve(
    demo: tuple[Kube, str], tmp_path: Path
) -> None:
    kube, namespace = demo
    url = kube.get("connector", CONNECTOR, namespace)["status"]["proxy"]["httpAddress"]["url"]
    assert url == f"http://c-{CONNECTOR}.{namespace}.svc.cluster.local"
    made = product.command(kube, "configure", "-n", namespace, CONNECTOR, "--output", str(tmp_path))
    assert made.returncode == 0, made.stderr
    texts = {name: (tmp_path / name).read_text() for name in ("pip.conf", ".pypirc")}
    _, _, token = texts[".pypirc"].rstrip().rpartition("password = ")
    assert texts["pip.conf"] == PIP_CONF.format(namespace=namespace, token=token)
    assert texts[".pypirc"] == PYPIRC.format(namespace=namespace, token=token)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "files"}, "stringData": texts}
    kube.create(secret, namespace=namespace)
    script = (
        f"export PIP_CONFIG_FILE=/files/pip.conf; {INSTALL} hello-connector; {BUILD.format('by-address')};"
        "twine upload --config-file /files/.pypirc -r connectors-pypi by-address/dist/*; "
        f"{INSTALL} by-address==9.1"
    )
    manifest = job("by-address", script, None, volumes=[{"name": "files", "secret": {"secretName": "files"}}])
    main = manifest["spec"]["template"]["spec"]["containers"][0]
    main["volumeMounts"] = [{"name": "files", "mountPath": "/files"}]
    outcome = run_job(kube, namespace, manifest)
    assert outcome.succeeded, outcome.log


def csi_pod(name: str, script: str, **mounts: str) -> dict[str, Any]:
    """A Pod with the page's volumes; `mounts` says where each of them is mounted."""
    volumes = yaml.safe_load(seed.CSI_VOLUMES)["spec"]["volumes"]
    for volume in volumes:
        volume["name"] = volume["name"].replace(".", "")
    manifest = pod(name, script, None, volumes=volumes)
    main = manifest["spec"]["containers"][0]
    main["volumeMounts"] = [{"name": key, "mountPath": path} for key, path in mounts.items()]
    return manifest


def test_a_pod_with_the_csi_volumes_installs_and_uploads(demo: tuple[Kube, str]) -> None:
    kube, namespace = demo
    manifest = csi_pod("by-csi", "sleep 3600", pipconf="/work/.config/pip", pypirc="/work/pypirc")
    kube.create(manifest, namespace=namespace)
    wait_for_phase(kube, namespace, "by-csi", "Running")
    script = (
        f"cat /work/.config/pip/pip.conf; {INSTALL} hello-connector; cd /tmp; {BUILD.format('by-csi')}; "
        "twine upload --config-file /work/pypirc/.pypirc -r connectors-pypi by-csi/dist/*"
    )
    result = run_in(kube, namespace, "by-csi", script)
    assert result.returncode == 0, result.stdout + result.stderr
