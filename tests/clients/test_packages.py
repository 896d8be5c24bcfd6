"""Behaviour and output of pip and uv if the Connector denies a package."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.machine.environments import clean
from support.servers.programs import RegistryServer
from webhook.demo.packages import make_wheel

BIN = Path(sys.executable).parent
PROGRAM = str(BIN / "pypi-connector")
DENIED = 'package "hello-conector" is denied by connector default/registry (denyPackages: hello-conector)'

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def registry(pypiserver: RegistryServer) -> RegistryServer:
    """A registry with the right package, and with a package of a similar name."""
    assert pypiserver.packages is not None
    make_wheel(pypiserver.packages, "hello-conector", "1.0")
    return pypiserver


def manifests(server: RegistryServer, **params: str) -> str:
    secret, connector = server.manifests().split("\n---\n")
    document = json.loads(connector)
    document["spec"]["params"] += [{"name": name, "value": value} for name, value in params.items()]
    return f"{secret}\n---\n{json.dumps(document)}\n"


def call(stdin: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        env=clean(HOME=str(folder), UV_CACHE_DIR=str(folder / "cache")),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run(
    server: RegistryServer, folder: Path, *command: str, **params: str
) -> "subprocess.CompletedProcess[str]":
    return call(manifests(server, **params), folder, "run", "-f", "-", "--", *command)


def test_pip_does_not_find_it_and_the_proxy_says_why(
    registry: RegistryServer, pip: Path, tmp_path: Path
) -> None:
    command = [str(pip), "install", "--no-cache-dir", "--target", "s", "hello-conector"]
    result = run(registry, tmp_path, *command, denyPackages="hello-conector")
    assert result.returncode == 1
    assert "No matching distribution found for hello-conector" in result.stderr
    assert f"pypi-connector: GET 403 {DENIED}" in result.stderr
    assert not (tmp_path / "s").exists()


def test_uv_names_the_status_and_the_proxy_says_why(registry: RegistryServer, tmp_path: Path) -> None:
    command = ["uv", "pip", "install", "--target", "s", "hello-conector"]
    result = run(registry, tmp_path, *command, denyPackages="hello-conector")
    assert result.returncode == 1
    assert "returned a 403 Forbidden error" in result.stderr
    assert f"pypi-connector: GET 403 {DENIED}" in result.stderr
    assert not (tmp_path / "s" / "hello_conector.py").exists()


@pytest.mark.parametrize("client", ["pip install --no-cache-dir", "uv pip install"])
def test_an_address_that_was_locked_before_does_not_go_round_it_and_they_print_the_sentence(
    registry: RegistryServer, tmp_path: Path, client: str
) -> None:
    url = "${PIP_INDEX_URL%simple/}packages/hello_conector-1.0-py3-none-any.whl"
    result = run(registry, tmp_path, "sh", "-c", f"{client} --target s {url}", denyPackages="hello-conector")
    assert result.returncode != 0
    said = [line for line in result.stderr.replace('\\"', '"').splitlines() if DENIED in line]
    assert any(not line.startswith("pypi-connector: ") for line in said)


@pytest.mark.parametrize("client", ["pip install --no-cache-dir", "uv pip install"])
def test_the_package_that_was_meant_is_installed(
    registry: RegistryServer, tmp_path: Path, client: str
) -> None:
    command = [*client.split(), "--target", "s", "hello-connector"]
    result = run(registry, tmp_path, *command, allowPackages="hello-connector, team-*")
    assert result.returncode == 0, result.stderr
    assert "pypi-connector: allowPackages: hello-connector, team-*" in result.stderr
    assert (tmp_path / "s" / "hello_connector.py").exists()


def test_check_shows_the_policy(registry: RegistryServer, tmp_path: Path) -> None:
    result = call(
        manifests(registry, denyPackages="a, b-*", allowPackages="b*"), tmp_path, "check", "-f", "-"
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"^  allowPackages: b\*; denyPackages: a, b-\*$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", [["check"], ["run", "--", "true"], ["inject", "pod.yaml"]])
def test_a_pattern_that_is_none_is_refused_before_anything_runs(
    registry: RegistryServer, tmp_path: Path, command: list[str]
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "annotations": {"connectors.alauda.io/connector": "registry"}},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    text = manifests(registry, denyPackages="Hello_Conector")
    result = call(text, tmp_path, command[0], "-f", "-", *command[1:])
    assert result.returncode == 2
    assert (
        "denyPackages must hold normalised names: 'hello-conector' instead of 'Hello_Conector'"
        in result.stderr
    )
