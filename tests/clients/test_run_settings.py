"""`run` where the environment, or a file of uv's, names another index or a proxy."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients.client_runs import Result, assert_clean
from support.clients.client_runs import run as run_verbose
from support.clients.foreign_index import foreign_index
from support.servers.programs import RegistryServer
from support.servers.registry import Registry

pytestmark = pytest.mark.clients
BIN = Path(sys.executable).parent
NAME = "hello-connector"
INSTALL = {
    "pip": ["pip", "install", "--no-cache-dir", "--target", "s", NAME],
    "uv": ["uv", "pip", "install", "--no-cache", "--target", "s", NAME],
}


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Registry]:
    with foreign_index(tmp_path, NAME, "9.9") as registry:
        yield registry


class Ruled(RegistryServer):
    """A registry whose Connector has a rule for further indexes."""

    rule = "warn"

    def manifests(self, name: str = "registry", namespace: str = "default") -> str:
        secret, connector = super().manifests(name, namespace).split("\n---\n")
        document = json.loads(connector)
        document["spec"]["params"].append({"name": "extraIndexes", "value": self.rule})
        return f"{secret}\n---\n{json.dumps(document)}\n"


def run(server: RegistryServer, folder: Path, *command: str, rule: str = "warn", **variables: str) -> Result:
    kind = type("Server", (Ruled,), {"rule": rule})
    ruled = kind(server.address, server.username, server.password, server.index_path)
    return run_verbose(ruled, folder, *command, XDG_CONFIG_DIRS=str(folder / "shared"), **variables)


def version(folder: Path) -> str:
    return (folder / "s/hello_connector.py").read_text().partition('"')[2].partition('"')[0]


def named(foreign: Registry) -> dict[str, str]:
    """Variables that lead to the foreign index, or to no index."""
    index, links = f"{foreign.origin}/simple/", f"{foreign.origin}/links/"
    return {
        "PIP_EXTRA_INDEX_URL": index,
        "PIP_extra-index-url": index,
        "PIP_FIND_LINKS": links,
        "PIP_INDEX-URL": index,
        "PIP_NO_INDEX": "1",
        "PIP_PROXY": "http://127.0.0.1:9",
        "PIP_PYPI_URL": index,
        "UV_EXTRA_INDEX_URL": index,
        "UV_FIND_LINKS": links,
        "UV_INDEX": index,
        "UV_TORCH_BACKEND": "cpu",
    }


@pytest.mark.parametrize("client", INSTALL)
@pytest.mark.parametrize("rule", ["warn", "refuse"])
def test_variables_that_lead_elsewhere_are_taken_out_and_named(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path, client: str, rule: str
) -> None:
    variables = named(foreign)
    result = run(pypiserver, tmp_path, *INSTALL[client], rule=rule, **variables)
    assert_clean(result, pypiserver)
    assert version(tmp_path) == "1.0"
    assert foreign.requests == []
    assert f"replaced in the environment: {', '.join(sorted(variables))}\n" in result.stderr


@pytest.mark.parametrize("client", INSTALL)
def test_a_connector_that_allows_further_indexes_leaves_them(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path, client: str
) -> None:
    index = f"{foreign.origin}/simple/"
    variables = {"PIP_EXTRA_INDEX_URL": index, "UV_INDEX": index}
    result = run(pypiserver, tmp_path, *INSTALL[client], rule="allow", **variables)
    assert_clean(result, pypiserver)
    assert version(tmp_path) == "9.9"
    assert "replaced" not in result.stderr


@pytest.mark.parametrize("client", INSTALL)
def test_a_folder_of_wheels_stays(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path, client: str
) -> None:
    """The foreign index has put its wheel there."""
    variables = {f"{client.upper()}_FIND_LINKS": str(tmp_path)}
    result = run(pypiserver, tmp_path, *INSTALL[client], rule="refuse", **variables)
    assert_clean(result, pypiserver)
    assert version(tmp_path) == "9.9"
    assert foreign.requests == []
    assert "replaced" not in result.stderr


def uv_toml(folder: Path, text: str) -> Path:
    path = folder / "uv/uv.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_users_uv_toml_with_a_further_index_is_named(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path
) -> None:
    path = uv_toml(tmp_path / ".config", f'[[index]]\nurl = "{foreign.origin}/simple/"\n')
    result = run(pypiserver, tmp_path, *INSTALL["uv"])
    assert_clean(result, pypiserver)
    assert f"pypi-connector: {path} sets index: uv asks these before the connector" in result.stderr
    assert version(tmp_path) == "9.9"


def test_its_remedy_helps(pypiserver: RegistryServer, foreign: Registry, tmp_path: Path) -> None:
    uv_toml(tmp_path / ".config", f'[[index]]\nurl = "{foreign.origin}/simple/"\n')
    result = run(pypiserver, tmp_path, *INSTALL["uv"], rule="refuse", UV_NO_CONFIG="1")
    assert_clean(result, pypiserver)
    assert version(tmp_path) == "1.0"
    assert "uv.toml" not in result.stderr


def test_a_users_uv_toml_with_a_further_index_is_refused(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path
) -> None:
    path = uv_toml(tmp_path / ".config", f'find-links = ["{foreign.origin}/links/"]\n')
    result = run(pypiserver, tmp_path, *INSTALL["uv"], rule="refuse")
    assert_clean(result, pypiserver, code=2)
    assert f"{path} sets find-links" in result.stderr
    assert "Connector default/registry refuses indexes beside it (extraIndexes)" in result.stderr
    assert foreign.requests == []


def test_the_systems_uv_toml_with_a_further_index_is_left_out(
    pypiserver: RegistryServer, foreign: Registry, tmp_path: Path
) -> None:
    path = uv_toml(tmp_path / "shared", f'[pip]\nextra-index-url = ["{foreign.origin}/simple/"]\n')
    result = run(pypiserver, tmp_path, *INSTALL["uv"])
    assert_clean(result, pypiserver)
    assert version(tmp_path) == "1.0"
    assert foreign.requests == []
    assert f"{path} sets pip.extra-index-url: uv leaves the file out" in result.stderr


def test_a_proxy_in_uv_toml_is_named(pypiserver: RegistryServer, tmp_path: Path) -> None:
    path = uv_toml(tmp_path / ".config", 'http-proxy = "http://127.0.0.1:9"\n')
    result = run(pypiserver, tmp_path, *INSTALL["uv"], UV_HTTP_RETRIES="0")
    assert result.returncode != 0
    assert f"{path} sets http-proxy: uv does not reach the connector" in result.stderr
