"""Faults after which a running Pod is served again, without any action (docs/faults.md)."""

import time
from collections.abc import Iterator

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.product import explain
from support.scenarios.scenes import Registry, connector, deploy_registry, pod, sidecar_lines, wait_for_phase
from webhook import names

INSTALL_SECONDS = 4.0
"""What one install takes through kubectl, on a machine that does something else as well"""


@pytest.fixture(scope="module")
def own_registry(installed: Kube) -> Iterator[Registry]:
    """One that may be broken."""
    with installed.namespace(prefix="registry") as name:
        yield deploy_registry(installed, name)


def start(kube: Kube, namespace: str) -> None:
    kube.create(pod("worker", "sleep 600", "team-pypi"), namespace=namespace)
    wait_for_phase(kube, namespace, "worker", "Running")
    kube.wait_for_condition("pod", "worker", "Ready", namespace)


def installs(kube: Kube, namespace: str, package: str = "hello-connector") -> bool:
    script = f"pip install --quiet --no-cache-dir --retries 0 --no-deps --target $(mktemp -d) {package}"
    command = ("exec", "worker", "-n", namespace, "-c", "main", "--", "sh", "-ec", script)
    return kube.run(*command, check=False, timeout=90).returncode == 0


def seconds_until_served(kube: Kube, namespace: str, limit: float) -> float:
    began = time.monotonic()
    kube.wait_for(lambda: installs(kube, namespace), seconds=2 * limit, what="an install")
    return time.monotonic() - began


def test_a_registry_that_refuses_everything_for_four_seconds_serves_again(
    installed: Kube, namespace: str, own_registry: Registry
) -> None:
    installed.create(*connector("team-pypi", own_registry), namespace=namespace)
    start(installed, namespace)
    assert installs(installed, namespace)
    with own_registry.refusing():
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert not installs(installed, namespace)
            assert not installs(installed, namespace, "hello-dependent")
        said = explain(installed, namespace, "worker").stdout
    assert seconds_until_served(installed, namespace, 15) < 15 + INSTALL_SECONDS
    assert "credential-rests" in said, said
    assert "tries it again by itself" in said, said
    assert installs(installed, namespace, "hello-dependent")
    told = {one["reason"] for one in installed.list("events", namespace)}
    assert told & {"RequestRefused", "CredentialRests"}, told
    lines = sidecar_lines(installed.logs("worker", namespace, names.SIDECAR))
    assert lines[-1]["status"] == 200


def test_a_corrected_address_reaches_a_running_pod(
    installed: Kube, namespace: str, own_registry: Registry
) -> None:
    *secrets, right = connector("team-pypi", own_registry)
    wrong = {**right, "spec": {**right["spec"], "address": "http://nobody.example.svc"}}
    installed.create(*secrets, wrong, namespace=namespace)
    start(installed, namespace)
    assert not installs(installed, namespace)
    said = explain(installed, namespace, "worker").stdout
    assert "registry-unreachable" in said, said
    installed.apply(right, namespace=namespace)
    assert seconds_until_served(installed, namespace, 15) < 15 + INSTALL_SECONDS
