"""A registry behind a private CA, with the CA named, and the true cause everywhere without it.

The CA and its certificate lack the extensions that strict verification (Python 3.13's default) demands, as
CAs of many companies do: controller and sidecar accept every certificate that curl accepts.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from support.certificates.plain_authority import create_plain_authority, issue_plain_leaf
from support.kubernetes.kube import Kube
from support.scenarios.product import explain
from support.scenarios.scenes import (
    Registry,
    connector,
    deploy_registry,
    job,
    run_job,
    sidecar_lines,
    unwrapped,
)

CAUSE = "certificate verify failed: "


@pytest.fixture(scope="module")
def private(installed: Kube) -> Iterator[Registry]:
    authority = create_plain_authority(datetime.now(UTC))
    with installed.namespace(prefix="private") as name:
        yield deploy_registry(installed, name, authority=authority, issue=issue_plain_leaf)


def conditions(kube: Kube, namespace: str, name: str) -> dict[str, dict[str, Any]]:
    found = kube.get("connector", name, namespace)["status"]["conditions"]
    return {one["type"]: one for one in found}


def test_a_registry_behind_a_private_ca_is_installed_from_and_published_to(
    installed: Kube, namespace: str, private: Registry
) -> None:
    installed.create(*connector("team-pypi", private), namespace=namespace)
    installed.wait_for_condition("connector", "team-pypi", "Ready", namespace)
    ca = conditions(installed, namespace, "team-pypi")["CACertReady"]
    assert (ca["status"], ca["reason"]) == ("True", "Valid")
    package = f"published-{namespace}"
    script = f"""
        pip install --target by-pip hello-dependent
        uv pip install --target by-uv hello-dependent
        new-project {package} 1.5
        python3 -m build --no-isolation {package}
        twine upload {package}/dist/*
    """
    outcome = run_job(installed, namespace, job("both", script, "team-pypi"))
    assert outcome.succeeded, outcome.log
    assert "Successfully installed hello-connector-1.0 hello-dependent-2.0" in outcome.log
    assert " + hello-dependent==2.0" in outcome.log
    assert any("POST" in line and "user=ci-robot" in line for line in private.requests())


def test_without_its_ca_the_true_cause_is_seen_wherever_a_person_looks(
    installed: Kube, namespace: str, private: Registry
) -> None:
    secret, _, manifest = connector("team-pypi", private)
    del manifest["spec"]["caCertSecretRef"]
    installed.create(secret, manifest, namespace=namespace)

    # the Connector's status
    installed.wait_for_condition("connector", "team-pypi", "Ready=False", namespace)
    found = conditions(installed, namespace, "team-pypi")
    assert (found["CACertReady"]["status"], found["CACertReady"]["reason"]) == ("True", "NoCACert")
    for kind in ("LivenessReady", "Ready"):
        one = found[kind]
        assert (one["status"], one["reason"]) == ("False", "ConnectionFailed")
        assert one["message"].startswith(CAUSE)
    assert found["AuthReady"]["status"] == "Unknown"  # the credential was never sent

    # the clients
    script = """
        if pip install --retries 0 --target site hello-connector; then exit 9; fi
        if uv pip install --target site hello-connector; then exit 9; fi
        new-project never 1.0
        python3 -m build --wheel --no-isolation never
        if twine upload never/dist/*; then exit 9; fi
    """
    outcome = run_job(installed, namespace, job("try", script, "team-pypi"))
    assert outcome.succeeded, outcome.log
    by_pip, _, rest = outcome.log.partition("+ uv pip install")
    by_uv, _, by_twine = rest.partition("+ twine upload")
    assert "No matching distribution found for hello-connector" in by_pip  # it hides what an index answers
    assert CAUSE in by_uv
    assert CAUSE in unwrapped(by_twine)

    # the sidecar's log
    lines = sidecar_lines(outcome.sidecar_log)
    failed = [one for one in lines if one.get("reason") == "registry-unreachable"]
    assert {one["action"] for one in failed} == {"index", "upload"}
    assert all(CAUSE in one["detail"] and "spec.caCertSecretRef" in one["detail"] for one in failed)

    # the command that explains a Pod
    explained = explain(installed, namespace, outcome.name)
    assert explained.returncode == 1, explained.stderr
    assert CAUSE in explained.stdout
    assert "spec.caCertSecretRef" in explained.stdout

    # and the registry itself was asked nothing
    assert not any("never" in line for line in private.requests())
