"""The reference page's volumes of the CSI driver `connectors-csi`, which is on no node here."""

import textwrap
from typing import Any

import pytest
import yaml

from support.kubernetes.kube import Kube
from support.scenarios.scenes import (
    Registry,
    connector,
    container_status,
    deploy_registry,
    job,
    run_job,
    wait_for_phase,
)
from webhook import names

# verbatim, but for the name of the first volume: Kubernetes takes no dot there
PAGE = """
spec:
  volumes:
  - name: pip-conf
    csi:
      readOnly: true
      driver: connectors-csi
      volumeAttributes:
        connector.name: "pypi-connector"
        configuration.names: "pipconf"
  - name: pypirc
    csi:
      readOnly: true
      driver: connectors-csi
      volumeAttributes:
        connector.name: "pypi-connector"
        configuration.names: "pypirc"
"""
VOLUMES = yaml.safe_load(PAGE)["spec"]["volumes"]
MOUNTS = [
    {"name": "pip-conf", "mountPath": "/etc/of-page"},
    {"name": "pypirc", "mountPath": "/tmp/.pypirc", "subPath": ".pypirc"},
]


def of_page(name: str, script: str, *, annotated: bool = False, **container: Any) -> dict[str, Any]:
    """A Job with the page's volumes, and the mounts of a person who follows it."""
    made = job(name, textwrap.dedent(script), "pypi-connector" if annotated else None)
    spec = made["spec"]["template"]["spec"]
    spec["volumes"] = VOLUMES
    spec["containers"][0] |= {"volumeMounts": MOUNTS, **container}
    return made


PIP_FILE = {"env": [{"name": "PIP_CONFIG_FILE", "value": "/etc/of-page/pip.conf"}]}


@pytest.mark.parametrize("annotated", [False, True], ids=["volumes alone", "beside the annotation"])
def test_a_pod_of_the_page_installs_and_publishes(
    installed: Kube, namespace: str, registry: Registry, annotated: bool
) -> None:
    installed.create(*connector("pypi-connector", registry), namespace=namespace)
    package = f"published-{namespace}"
    script = f"""
        cd /tmp
        pip install --target site hello-dependent
        bare="env -i PATH=$PATH HOME=/tmp"
        $bare PIP_CONFIG_FILE=$PIP_CONFIG_FILE pip install --target by-file hello-dependent
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*.whl
        $bare twine upload -r connectors-pypi {package}/dist/*.gz
        if touch /etc/of-page/x; then exit 1; fi
        if ln -s /etc/passwd /etc/of-page/.pip.conf.new; then exit 1; fi
    """
    manifest = of_page("page", script, annotated=annotated, **PIP_FILE)
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert outcome.log.count("Successfully installed hello-connector-1.0 hello-dependent-2.0") == 2
    uploads = [line for line in registry.requests() if "POST" in line]
    assert len([line for line in uploads if "user=ci-robot" in line]) >= 2
    assert "sets PIP_CONFIG_FILE" not in installed.run("get", "events", "-n", namespace).stdout
    volumes = {volume["name"]: volume for volume in outcome.pod["spec"]["volumes"]}
    assert all("emptyDir" in volumes[volume["name"]] for volume in VOLUMES)


def test_volumes_of_two_connectors_lead_to_their_own(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    other = deploy_registry(installed, namespace, name="other")
    installed.create(*connector("pypi-connector", registry), namespace=namespace)
    installed.create(*connector("other", other), namespace=namespace)
    manifest = of_page("first", "pip install --target /tmp/site hello-connector")
    spec = manifest["spec"]["template"]["spec"]
    attributes = {"connector.name": "other", "configuration.names": "pipconf"}
    csi = {"driver": names.CSI_DRIVER, "readOnly": True, "volumeAttributes": attributes}
    spec["volumes"] = [*VOLUMES, {"name": "other", "csi": csi}]
    second = {
        **spec["containers"][0],
        "name": "second",
        "volumeMounts": [{"name": "other", "mountPath": "/tmp/.config/pip"}],
    }
    spec["initContainers"] = [second]
    before = len(registry.requests())
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert any("/simple/hello-connector" in line for line in other.requests())
    assert any("/simple/hello-connector" in line for line in registry.requests()[before:])


def test_a_pod_without_pypirc_cannot_upload(installed: Kube, namespace: str, registry: Registry) -> None:
    installed.create(*connector("pypi-connector", registry), namespace=namespace)
    manifest = of_page(
        "reading",
        """
        cd /tmp
        new-project refused 1.0
        python3 -m build --no-isolation refused
        url=$(sed -n 's/^index-url = \\(.*\\)simple.$/\\1/p' /etc/of-page/pip.conf)
        twine upload -u x -p x --repository-url "$url" refused/dist/*.whl && exit 1
        pip install --target site hello-connector
        """,
    )
    spec = manifest["spec"]["template"]["spec"]
    spec["volumes"] = VOLUMES[:1]
    spec["containers"][0]["volumeMounts"] = MOUNTS[:1]
    outcome = run_job(installed, namespace, manifest)
    assert outcome.succeeded, outcome.log
    assert "403" in outcome.log


def test_what_cannot_be_served_is_refused_and_an_installed_driver_is_left_alone(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("pypi-connector", registry), namespace=namespace)
    template = of_page("x", "true")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waits"}, "spec": template["spec"]}
    wrong = yaml.safe_load(
        yaml.safe_dump(pod).replace("configuration.names: pypirc", "configuration.names: npmrc")
    )
    refused = installed.run("-n", namespace, "create", "-f", "-", stdin=yaml.safe_dump(wrong), check=False)
    assert "volume pypirc names the configuration npmrc; known are pipconf, pypirc, uv" in refused.stderr
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": names.CSI_DRIVER}}
    installed.create({**driver, "spec": {"volumeLifecycleModes": ["Ephemeral"], "attachRequired": False}})
    try:

        def is_left() -> bool:
            made = installed.run(
                "-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod)
            )
            return "volume pip-conf is left to the CSI driver connectors-csi" in made.stderr

        installed.wait_for(is_left, what="admission to see the driver")
        installed.create(pod, namespace=namespace)
        waiting = installed.get("pod", "waits", namespace)
        assert [one["name"] for one in waiting["spec"]["containers"]] == ["main"]
        assert "initContainers" not in waiting["spec"]
    finally:
        installed.run("delete", "csidriver", names.CSI_DRIVER)


def test_the_workload_reads_the_files_and_cannot_replace_them(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("pypi-connector", registry), namespace=namespace)
    template = of_page("x", "sleep 600")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "long"}, "spec": template["spec"]}
    installed.create(pod, namespace=namespace)
    found = wait_for_phase(installed, namespace, "long", "Running")
    assert container_status(found, names.SIDECAR)["started"]
    script = "cat /tmp/.pypirc; rm /etc/of-page/pip.conf && exit 1; pip install -t /tmp/a hello-dependent"
    said = installed.run("exec", "long", "-n", namespace, "-c", "main", "--", "sh", "-exc", script).stdout
    assert "repository = http://127.0.0.1:" in said
    assert "Successfully installed" in said
