"""`pypi-connector configure` on a real API server, with the rights of its users."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import jwt
import pytest

from support.components.brokers import install, kubeconfig_of
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from webhook import names

PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    """No controller writes a status here: the tests do."""
    with clusters.api_server() as alone:
        alone.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}})
        install(alone)
        yield alone


@pytest.fixture
def namespace(cluster: Kube) -> Iterator[str]:
    with cluster.namespace(prefix="team") as name:
        yield name


def configure(kubeconfig: Path, *arguments: str, code: int = 0) -> CompletedProcess[str]:
    result = subprocess.run(
        [PROGRAM, "configure", *arguments],
        env={**clean(), "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert result.returncode == code, result.stderr
    return result


def declare(cluster: Kube, namespace: str, url: str | None = "", **condition: str) -> str:
    """A Connector with a status as the controller writes it where the gateway is installed; its host."""
    spec = {"connectorClassName": "pypi", "address": "https://registry.example"}
    manifest: dict[str, Any] = {"apiVersion": names.API_VERSION, "kind": "Connector", "spec": spec}
    cluster.create({**manifest, "metadata": {"name": "pypi"}}, namespace=namespace)
    host = f"c-pypi.{namespace}.svc.cluster.local"
    ready = {
        "type": "ProxyServiceReady",
        "status": "True",
        "reason": "Valid",
        "message": "it serves",
        "lastTransitionTime": "2026-12-01T00:00:00Z",
        **condition,
    }
    status: dict[str, Any] = {"conditions": [ready]}
    if url is not None:
        status["proxy"] = {"httpAddress": {"url": url or f"http://{host}"}}
    cluster.patch("connector", "pypi", {"status": status}, namespace, subresource="status")
    return host


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_both_files_of_the_reference_page_are_printed(cluster: Kube, namespace: str) -> None:
    host = declare(cluster, namespace)
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi")
    token = result.stdout.rpartition("password = ")[2].strip()
    assert result.stdout == (
        f"# pip.conf\n[global]\nindex-url = http://{namespace}-pypi:{token}@{host}/simple/\ntimeout = 30\n\n"
        f"[install]\ntrusted-host = {host}\n\n"
        f"# .pypirc\n[distutils]\nindex-servers = connectors-pypi\n\n[connectors-pypi]\n"
        f"repository = http://{host}/\nusername = {namespace}-pypi\npassword = {token}\n"
    )
    claims = claims_of(token)
    assert claims["aud"] == ["pypi-connector-gateway"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:default"
    assert claims["exp"] - claims["iat"] == 3600
    assert f"the token of ServiceAccount {namespace}/default ends at 20" in result.stderr
    assert ", in 60 minutes\n" in result.stderr
    assert token not in result.stderr


@pytest.mark.parametrize("file", ["pip.conf", ".pypirc", "uv.toml"])
def test_a_single_file_is_printed_as_it_is(cluster: Kube, namespace: str, file: str) -> None:
    host = declare(cluster, namespace)
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", "--file", file)
    assert host in result.stdout
    assert not result.stdout.startswith("#")


def test_the_account_may_be_another_and_the_connector_of_another_namespace(
    cluster: Kube, namespace: str
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci"}}
    cluster.create(account, namespace=namespace)
    with cluster.namespace(prefix="registries") as other:
        host = declare(cluster, other)
        arguments = ("-n", namespace, f"{other}/pypi", "--service-account", "ci", "--duration", "10m")
        result = configure(cluster.kubeconfig, *arguments, "--file", ".pypirc")
    assert f"repository = http://{host}/\nusername = {other}-pypi\n" in result.stdout
    claims = claims_of(result.stdout.rpartition("password = ")[2].strip())
    assert claims["sub"] == f"system:serviceaccount:{namespace}:ci"
    assert claims["exp"] - claims["iat"] == 600


def test_files_are_written_for_their_owner_and_never_over_others(
    cluster: Kube, namespace: str, tmp_path: Path
) -> None:
    host = declare(cluster, namespace)
    (tmp_path / ".pypirc").write_text("mine")
    arguments = ("-n", namespace, "pypi", "--output", str(tmp_path))
    refused = configure(cluster.kubeconfig, *arguments, code=2)
    assert f"{tmp_path}/.pypirc exists: give --force" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".pypirc"]
    result = configure(cluster.kubeconfig, *arguments, "--force")
    assert result.stdout == ""
    assert f"{tmp_path}/pip.conf written" in result.stderr
    assert host in (tmp_path / ".pypirc").read_text()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_an_ingress_has_the_path_form(cluster: Kube, namespace: str) -> None:
    declare(cluster, namespace, "http://127.0.0.1:28100")
    url = "https://pypi.example.com/gateway/"
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", "--url", url, "--file", "pip.conf")
    assert f"@pypi.example.com/gateway/namespaces/{namespace}/connectors/pypi/simple/" in result.stdout
    assert "trusted-host" not in result.stdout
    assert "without TLS" not in result.stderr


# -- sentences


def test_an_absent_connector_is_a_sentence(cluster: Kube, namespace: str) -> None:
    result = configure(cluster.kubeconfig, "-n", namespace, "nothing", code=2)
    assert f'connectors "nothing" not found in namespace "{namespace}"' in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:28100", None])
def test_without_the_gateway_no_token_is_asked_for(cluster: Kube, namespace: str, url: str | None) -> None:
    declare(cluster, namespace, url)
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", code=2)
    assert f"Connector {namespace}/pypi is served in injected Pods only" in result.stderr


@pytest.mark.parametrize("url", ["", None], ids=["with an address", "without an address"])
def test_a_gateway_that_does_not_serve_it_says_why(cluster: Kube, namespace: str, url: str | None) -> None:
    taken = {"status": "False", "reason": "ServiceTaken", "message": "Service c-pypi is foreign"}
    declare(cluster, namespace, url, **taken)
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", code=2)
    assert "does not serve Connector" in result.stderr
    assert "Service c-pypi is foreign" in result.stderr


def test_a_status_that_leads_elsewhere_gets_no_token(cluster: Kube, namespace: str) -> None:
    declare(cluster, namespace, f"http://c-pypi.{namespace}.svc.cluster.local.evil.example")
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", code=2)
    assert "which is not its own: no token is sent there" in result.stderr
    assert result.stdout == ""


def test_an_absent_account_is_a_sentence(cluster: Kube, namespace: str) -> None:
    declare(cluster, namespace)
    for account in ("nobody", "No Body/../x"):
        arguments = ("-n", namespace, "pypi", "--service-account", account)
        result = configure(cluster.kubeconfig, *arguments, code=2)
        assert account in result.stderr


def test_too_short_a_life_is_refused_before_anything_is_asked(cluster: Kube, namespace: str) -> None:
    result = configure(cluster.kubeconfig, "-n", namespace, "pypi", "--duration", "5m", code=2)
    assert "the API server issues no token for less than 10m" in result.stderr


def test_rights_that_are_missing_are_named(cluster: Kube, namespace: str, tmp_path: Path) -> None:
    declare(cluster, namespace)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}
    cluster.create(account, namespace=namespace)
    reader = kubeconfig_of(cluster, tmp_path, namespace, "reader")
    result = configure(reader, "-n", namespace, "pypi", code=1)
    assert f"you may not get Connectors in namespace {namespace}" in result.stderr
    subject = f"--serviceaccount={namespace}:reader"
    cluster.run("create", "rolebinding", "view", "--clusterrole=view", subject, "-n", namespace)
    cluster.wait_for(
        lambda: "may not create tokens" in configure(reader, "-n", namespace, "pypi", code=1).stderr,
        what="the right to read",
    )
    result = configure(reader, "-n", namespace, "pypi", code=1)
    assert f"you may not create tokens of ServiceAccount {namespace}/default" in result.stderr
    assert "serviceaccounts/token" in result.stderr
