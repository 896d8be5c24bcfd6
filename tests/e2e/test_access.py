"""A Connector of another namespace, and a Pod that may install only."""

import json
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.product import explain
from support.scenarios.scenes import (
    Registry,
    connector,
    container_status,
    job,
    pod,
    run_in,
    run_job,
    sidecar_lines,
    unwrapped,
    wait_for_phase,
)
from webhook import names

NOT_ALLOWED = "this Pod may not upload"
RECOVERY_SECONDS = 30.0
"""A refusal stands 5 s, and the API server's authorizer learns of a binding within one; the rest is the
machine's slowness"""


@pytest.fixture(scope="module")
def owner(installed: Kube, registry: Registry) -> Iterator[str]:
    """A namespace with a Connector that others are to use."""
    with installed.namespace(prefix="owner") as name:
        installed.create(*connector("shared-pypi", registry), namespace=name)
        yield name


def bind(kube: Kube, owner: str, role: str, team: str) -> None:
    """The single command that README names."""
    account = f"--serviceaccount={team}:default"
    kube.run("create", "rolebinding", f"{team}-{role}", "-n", owner, f"--clusterrole={role}", account)


def test_a_connector_of_another_namespace_is_refused_until_a_binding_allows_it(
    installed: Kube, owner: str, namespace: str
) -> None:
    worker = pod("worker", "sleep 600", f"{owner}/shared-pypi", terminationGracePeriodSeconds=1)
    installed.create(worker, namespace=namespace)
    wait_for_phase(installed, namespace, "worker", "Running")
    sentence = f"ServiceAccount {namespace}/default may not use Connector {owner}/shared-pypi"

    def run(script: str) -> CompletedProcess[str]:
        return run_in(installed, namespace, "worker", script)

    # refused: to the clients, in the sidecar's log, as an Event on the Pod
    by_uv = run("uv pip install --target refused hello-connector")
    assert by_uv.returncode != 0
    assert "403 Forbidden" in by_uv.stderr
    by_pip = run("pip install --target refused hello-connector")
    assert "No matching distribution found for hello-connector" in by_pip.stderr
    built = run("new-project widget 1.5; python3 -m build --wheel --no-isolation widget")
    assert built.returncode == 0, built.stderr
    by_twine = run("twine upload widget/dist/*")
    assert by_twine.returncode != 0
    assert sentence in unwrapped(by_twine.stdout)
    lines = sidecar_lines(installed.logs("worker", namespace, names.SIDECAR))
    refused = [one for one in lines if one.get("status") == 403]
    assert refused
    assert all(one["reason"] == "AccessDenied" and sentence in one["detail"] for one in refused)
    events = installed.wait_for(
        lambda: [one for one in installed.events(namespace, "worker") if one["reason"] == "AccessDenied"],
        what="an Event on the Pod",
    )
    assert events[0]["type"] == "Warning"
    assert sentence in events[0]["message"]

    # the running Pod is served as soon as somebody binds it, with the very command that `explain` names
    explained = explain(installed, namespace, "worker").stdout
    fix = next(line for line in explained.splitlines() if "kubectl create rolebinding" in line)
    _, _, command = fix.partition("kubectl ")
    installed.run(*command.split())
    installed.wait_for(
        lambda: run("pip install --target by-pip hello-dependent").returncode == 0,
        seconds=RECOVERY_SECONDS,
        what="the Pod to install",
    )
    served = run("uv pip install --target by-uv hello-dependent")
    assert served.returncode == 0, served.stderr

    # to install is not to upload
    upload = run("twine upload widget/dist/*")
    assert upload.returncode != 0
    assert "403" in upload.stdout
    assert NOT_ALLOWED in unwrapped(upload.stdout)
    found = installed.get("pod", "worker", namespace)
    assert container_status(found, "main")["restartCount"] == 0
    assert container_status(found, names.SIDECAR)["restartCount"] == 0


def test_a_publisher_of_another_namespace_uploads(
    installed: Kube, owner: str, namespace: str, registry: Registry
) -> None:
    bind(installed, owner, names.PUBLISHER_ROLE, namespace)
    package = f"published-{namespace}"
    script = f"""
        pip install --target site hello-dependent
        new-project {package} 1.5
        python3 -m build --wheel --no-isolation {package}
        twine upload {package}/dist/*
    """
    outcome = run_job(installed, namespace, job("publish", script, f"{owner}/shared-pypi"))
    assert outcome.succeeded, outcome.log
    assert any("POST" in line and "user=ci-robot" in line for line in registry.requests())


def test_a_pod_without_pypirc_cannot_upload_and_reads_why(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    # a new name: the registry itself would take it
    script = f"""
        pip install --target by-pip hello-dependent
        uv pip install --target by-uv hello-dependent
        if env | grep -e TWINE -e PUBLISH; then exit 9; fi
        test ! -e /etc/pypi-connector/.pypirc
        new-project sneaked-{namespace} 1.0
        python3 -m build --wheel --no-isolation sneaked-{namespace}
        url=${{PIP_INDEX_URL%simple/}}
        cd sneaked-{namespace}
        if twine upload --repository-url $url -u somebody -p something dist/*; then exit 9; fi
        if uv publish --publish-url $url --token unused dist/*; then exit 9; fi
    """
    only = {names.CONFIGURATIONS: names.PIPCONF_CONFIGURATION}
    outcome = run_job(installed, namespace, job("sneak", script, "team-pypi", annotations=only))
    assert outcome.succeeded, outcome.log
    by_twine, _, by_uv = outcome.log.partition("+ uv publish")
    for said in (by_twine, by_uv):
        assert "403" in said
        assert NOT_ALLOWED in unwrapped(said)
    uploads = [one for one in sidecar_lines(outcome.sidecar_log) if one.get("method") == "POST"]
    assert {(one["status"], one["reason"]) for one in uploads} == {(403, "upload-not-granted")}
    assert not any("POST" in line and "sneaked" in line for line in registry.requests())
    result = json.loads(outcome.pod["metadata"]["annotations"][names.RESULT])
    assert "uploads" not in result["message"]
