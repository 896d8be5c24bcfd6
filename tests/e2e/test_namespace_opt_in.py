"""A Namespace that asks for a connector for all of its Pods."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, job, pod, run_job, wait_for_phase
from webhook import names

INSTALL = "pip install --target site hello-connector"


@pytest.fixture
def asking(installed: Kube, registry: Registry) -> Iterator[str]:
    """With two Connectors, and the label at last: the annotation is seen with it."""
    with installed.namespace(prefix="asking") as name:
        installed.create(*connector("team-pypi", registry), *connector("own", registry), namespace=name)
        installed.run("annotate", "namespace", name, f"{names.CONNECTOR}=team-pypi")
        installed.run("label", "namespace", name, f"{names.INJECT}={names.OPTED_IN}")
        probe = pod("probe", "true", None)
        installed.wait_for(
            lambda: names.SIDECAR in _dry_run(installed, name, probe), what="the label to be seen"
        )
        yield name


def _dry_run(kube: Kube, namespace: str, manifest: dict[str, Any]) -> str:
    arguments = ("create", "-n", namespace, "--dry-run=server", "-o", "json", "-f", "-")
    return kube.run(*arguments, stdin=json.dumps(manifest)).stdout


def test_jobs_that_know_nothing_of_connectors_install(
    installed: Kube, asking: str, registry: Registry
) -> None:
    outcome = run_job(installed, asking, job("install", INSTALL, None))
    assert outcome.succeeded, outcome.log
    assert "Successfully installed hello-connector" in outcome.log
    assert outcome.pod["metadata"]["annotations"][names.CONNECTOR] == "team-pypi"
    assert any("hello-connector" in line and "user=ci-robot" in line for line in registry.requests())
    selector = f"involvedObject.name={outcome.name},reason=Granted"
    installed.wait_for(
        lambda: (
            installed.run("get", "events", "-n", asking, "--field-selector", selector, "-o", "name").stdout
        ),
        what="the Event of the grant",
    )


def test_a_job_with_a_connector_of_its_own_installs_from_that(installed: Kube, asking: str) -> None:
    outcome = run_job(installed, asking, job("own", INSTALL, "own"))
    assert outcome.succeeded, outcome.log
    assert f'"{asking}/own"' in outcome.sidecar_log
    assert "team-pypi" not in outcome.sidecar_log


def test_a_pod_on_the_nodes_network_runs_without_a_sidecar_and_with_a_warning(
    installed: Kube, asking: str
) -> None:
    warned = installed.create(pod("agent", "env", None, hostNetwork=True), namespace=asking).stderr
    assert f"Warning: no sidecar, though Namespace {asking} asks for one: hostNetwork is set" in warned
    found = wait_for_phase(installed, asking, "agent", "Succeeded")
    assert '"decision": "skipped"' in found["metadata"]["annotations"][names.RESULT]
    assert "PIP_INDEX_URL" not in installed.logs("agent", asking, "main")


def test_a_daemon_set_on_the_nodes_network_starts_as_ever(installed: Kube, asking: str) -> None:
    """An agent of somebody's, by its real controller."""
    labels = {"app": "agent"}
    spec = pod("agent", "sleep 3600", None, hostNetwork=True, terminationGracePeriodSeconds=1)["spec"]
    template = {"metadata": {"labels": labels}, "spec": {**spec, "restartPolicy": "Always"}}
    agents = {"selector": {"matchLabels": labels}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": agents}
    installed.create(manifest, namespace=asking)
    installed.run("rollout", "status", "daemonset/agent", "-n", asking, "--timeout=60s", timeout=90)
    [found] = installed.list("pods", asking, selector="app=agent")
    assert '"decision": "skipped"' in found["metadata"]["annotations"][names.RESULT]
    assert "initContainers" not in found["spec"]


def test_a_job_that_opts_out_has_no_sidecar(installed: Kube, asking: str) -> None:
    outcome = run_job(installed, asking, job("out", "env", None, annotations={names.INJECT: "false"}))
    assert outcome.succeeded
    assert outcome.sidecar_log == ""
    assert "PIP_INDEX_URL" not in outcome.log
