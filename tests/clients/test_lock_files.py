"""Lock files and projects that name another registry, and the behaviour of each client with the proxy."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from support.clients.client_runs import Result, assert_clean, run, run_client
from support.machine.environments import clean, environment
from support.servers.programs import RegistryServer
from support.servers.registry import Registry

pytestmark = pytest.mark.clients

PROJECT = """
[project]
name = "locked"
version = "0"
requires-python = ">=3.11"
dependencies = ["hello-connector"]
"""


@pytest.fixture
def other(pypiserver: RegistryServer) -> Iterator[Registry]:
    """Another registry, that wants no password and has the same wheel."""
    assert pypiserver.packages is not None
    [wheel] = pypiserver.packages.glob("hello_connector-1.0-*.whl")
    body = wheel.read_bytes()
    with Registry() as found:
        link = f"<a href='/files/{wheel.name}#sha256={sha256(body).hexdigest()}'>{wheel.name}</a>"
        found.page("/simple/hello-connector/", link.encode())
        found.page(f"/files/{wheel.name}", body, "application/octet-stream")
        yield found


@pytest.fixture
def project(other: Registry, tmp_path: Path) -> Path:
    """Locked by uv where only the other registry was; it is asked nothing from then on but by the test."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    variables = clean(UV_DEFAULT_INDEX=f"{other.origin}/simple/", UV_NO_CACHE="1")
    result = run_client(variables, ["uv", "lock"], tmp_path)
    assert result.returncode == 0, result.stderr
    assert other.origin in (tmp_path / "uv.lock").read_text()
    other.requests.clear()
    return tmp_path


def run_there(server: RegistryServer, other: Registry, folder: Path, text: str, command: str) -> Result:
    """With the text in the project's file; OTHER in both stands for the other registry's index."""
    text, command = (one.replace("OTHER", f"{other.origin}/simple/") for one in (text, command))
    client = command.split()[0]
    (folder / ("Pipfile" if client == "pipenv" else "pyproject.toml")).write_text(text)
    path = clean()["PATH"]
    if client in ("pdm", "pipenv"):
        path = f"{environment(f'client-{client}')}/bin:{path}"
    result = run(server, folder, *command.split(), PATH=path)
    assert_clean(result, server)
    assert {one.header("authorization") for one in other.requests} <= {None}
    return result


def sync(server: RegistryServer, project: Path, *options: str) -> Result:
    return run(server, project, "uv", "sync", *options, UV_NO_CACHE="1")


def asked_of_proxy(result: Result) -> list[str]:
    """Lines of `run -v`; pdm looks for a newer pdm as well."""
    return re.findall("^pypi-connector: GET .* hello.connector.*", result.stderr, re.MULTILINE)


def test_uv_writes_the_proxys_addresses_in_place_of_another_registrys(
    pypiserver: RegistryServer, other: Registry, project: Path
) -> None:
    result = sync(pypiserver, project)
    assert_clean(result, pypiserver)
    lock = (project / "uv.lock").read_text()
    assert other.origin not in lock
    assert other.requests == []


def test_uv_sync_locked_refuses_another_registrys_lock(
    pypiserver: RegistryServer, other: Registry, project: Path
) -> None:
    before = (project / "uv.lock").read_bytes()
    result = sync(pypiserver, project, "--locked")
    assert_clean(result, pypiserver, code=1)
    assert (project / "uv.lock").read_bytes() == before
    assert other.requests == []


def test_uv_sync_frozen_asks_the_other_registry(
    pypiserver: RegistryServer, other: Registry, project: Path
) -> None:
    result = sync(pypiserver, project, "--frozen")
    assert_clean(result, pypiserver)
    [asked] = other.requests
    assert asked.target.startswith("/files/")
    assert asked.header("authorization") is None
    assert asked_of_proxy(result) == []


def uv_index(**further: str) -> str:
    lines = [f"{name} = {value}" for name, value in {"name": '"own"', "url": '"OTHER"', **further}.items()]
    return "\n".join([PROJECT, "[[tool.uv.index]]", *lines, ""])


def pdm_source(name: str) -> str:
    return f'{PROJECT}[[tool.pdm.source]]\nname = "{name}"\nurl = "OTHER"\n'


PIPFILE = """
[[source]]
name = "own"
url = "OTHER"
verify_ssl = true
[packages]
hello-connector = "*"
"""


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("", "pip download --no-cache-dir --index-url OTHER hello-connector", id="pip"),
        pytest.param(uv_index(), "uv lock --no-cache", id="uv"),
        pytest.param(pdm_source("pypi"), "pdm lock", id="pdm"),
        pytest.param(PIPFILE, "pipenv lock", id="pipenv"),
    ],
)
def test_an_index_that_the_project_names_is_asked_in_place_of_the_proxy(
    pypiserver: RegistryServer, other: Registry, tmp_path: Path, text: str, command: str
) -> None:
    result = run_there(pypiserver, other, tmp_path, text, command)
    assert other.seen("/simple/hello-connector/")
    assert asked_of_proxy(result) == []


def test_the_default_index_of_a_uv_project_is_replaced(
    pypiserver: RegistryServer, other: Registry, tmp_path: Path
) -> None:
    """The variable counts for more, says uv."""
    result = run_there(pypiserver, other, tmp_path, uv_index(default="true"), "uv lock --no-cache")
    assert asked_of_proxy(result)
    assert other.requests == []


def test_a_further_source_of_a_pdm_project_is_asked_beside_the_proxy(
    pypiserver: RegistryServer, other: Registry, tmp_path: Path
) -> None:
    result = run_there(pypiserver, other, tmp_path, pdm_source("own"), "pdm lock")
    assert asked_of_proxy(result)
    assert other.seen("/simple/hello-connector/")
