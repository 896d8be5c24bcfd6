"""Dependency confusion: another index has version 9.9 of a package of which the connector has 1.0.

What an image, a venv or a user's files name is not asked, save where a test says so. Each of these ways works
with a Connector that allows further indexes: so the tests can fail.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.clients.client_runs import BIN, Result, grant_of, run_client
from support.clients.foreign_index import foreign_index
from support.machine.environments import environment
from support.registries.registry_kinds import running_for_clients
from support.servers.programs import RegistryServer
from support.servers.registry import Registry

pytestmark = pytest.mark.clients
NAME = "hello-connector"
PROJECT = f"""
[project]
name = "confused"
version = "0"
requires-python = ">=3.11"
dependencies = ["{NAME}"]
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with foreign_index(tmp_path_factory.mktemp("foreign"), NAME, "9.9") as found:
        yield found


@dataclass(frozen=True)
class Place:
    """A container's folder, with its variables."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *command: str, image: Mapping[str, str] | None = None) -> Result:
        """`image` is the image's ENV, which the Pod's variables override."""
        shared = {"XDG_CONFIG_DIRS": str(self.folder / "shared"), "UV_NO_CACHE": "1"}
        return run_client({**(image or {}), **self.variables, **shared}, command, self.folder)


both = pytest.mark.parametrize("admits", [False, True], ids=["shut-out", "allowed"], indirect=True)


@pytest.fixture
def admits(request: pytest.FixtureRequest) -> bool:
    """Whether the Connector allows further indexes."""
    return getattr(request, "param", False)


@pytest.fixture
def place(pypiserver: RegistryServer, foreign: Registry, admits: bool, tmp_path: Path) -> Iterator[Place]:
    foreign.requests.clear()
    with running_for_clients(tmp_path, grant_of(pypiserver), admits_extra_indexes=admits) as (_, variables):
        yield Place(tmp_path, variables)


@pytest.fixture(scope="module", params=["pip-oldest", "pip-newest"])
def venv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv of the test's own, for it writes a pip.conf into it."""
    folder = tmp_path_factory.mktemp("venv") / request.param
    shutil.copytree(environment(request.param), folder, symlinks=True)
    return folder


@pytest.fixture(params=["global", "venv"])
def pip_conf(request: pytest.FixtureRequest, place: Place, venv: Path) -> Iterator[Path]:
    """A file that pip reads beside the one of PIP_CONFIG_FILE. It does not read the user's then."""
    path = {"global": place.folder / "shared/pip/pip.conf", "venv": venv / "pip.conf"}[request.param]
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path
    path.unlink()


def pip_download(place: Place, venv: Path, *options: str, image: Mapping[str, str] | None = None) -> str:
    """The version that pip takes."""
    shutil.rmtree(place.folder / "d", ignore_errors=True)
    pip = [str(venv / "bin/python"), "-m", "pip", *options]
    result = place.run(*pip, "download", "--no-cache-dir", "--no-deps", "--dest", "d", NAME, image=image)
    assert result.returncode == 0, result.stdout + result.stderr
    [found] = (place.folder / "d").iterdir()
    return found.name.split("-")[1]


def text_for(foreign: Registry, text: str) -> str:
    return text.replace("@INDEX", f"{foreign.origin}/simple/").replace("@LINKS", f"{foreign.origin}/links/")


@both
@pytest.mark.parametrize("section", ["global", "download"])
def test_pip_asks_no_source_of_another_file(
    place: Place, foreign: Registry, venv: Path, pip_conf: Path, admits: bool, section: str
) -> None:
    """With --isolated, pip reads files alone."""
    pip_conf.write_text(text_for(foreign, f"[{section}]\nextra-index-url = @INDEX\nfind-links = @LINKS\n"))
    for options in ((), ("--isolated",)):
        foreign.requests.clear()
        assert pip_download(place, venv, *options) == ("9.9" if admits else "1.0")
        assert bool(foreign.seen(f"/simple/{NAME}/")) == bool(foreign.seen("/links/")) == admits


@both
def test_pip_asks_no_source_of_an_images_variable(
    place: Place, foreign: Registry, venv: Path, admits: bool
) -> None:
    image = {"PIP_EXTRA_INDEX_URL": "@INDEX", "PIP_FIND_LINKS": "@LINKS"}
    image = {name: text_for(foreign, value) for name, value in image.items()}
    assert pip_download(place, venv, image=image) == ("9.9" if admits else "1.0")
    assert bool(foreign.seen(f"/simple/{NAME}/")) == bool(foreign.seen("/links/")) == admits


@pytest.mark.parametrize("section", ["global", "download"])
def test_pip_asks_the_connector_whatever_another_file_says(
    place: Place, foreign: Registry, venv: Path, pip_conf: Path, section: str
) -> None:
    lines = ["index-url = @INDEX", "pypi-url = @INDEX", "proxy = http://127.0.0.1:9", "no-index = true"]
    pip_conf.write_text(text_for(foreign, "\n".join([f"[{section}]", *lines, ""])))
    assert pip_download(place, venv) == "1.0"
    assert foreign.requests == []


@pytest.mark.parametrize(
    "variable",
    ["PIP_INDEX_URL=@INDEX", "PIP_PYPI_URL=@INDEX", "PIP_NO_INDEX=1", "PIP_PROXY=http://127.0.0.1:9"],
)
def test_pip_asks_the_connector_whatever_the_image_says(
    place: Place, foreign: Registry, venv: Path, variable: str
) -> None:
    name, _, value = text_for(foreign, variable).partition("=")
    assert pip_download(place, venv, image={name: value}) == "1.0"
    assert foreign.requests == []


def test_settings_of_tls_and_of_environments_do_no_harm(place: Place, venv: Path) -> None:
    """docs/clients.md lists them: the loopback interface has no TLS."""
    files = dict.fromkeys(["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"], "/nowhere")
    image = {**files, "PIP_TRUSTED_HOST": "a.example", "PIP_ISOLATED": "1", "PIP_REQUIRE_VIRTUALENV": "1"}
    assert pip_download(place, venv, image=image) == "1.0"


UV_COMMANDS = {
    "pip": ["uv", "pip", "install", "--target", "site", NAME],
    "lock": ["uv", "lock"],
}


def uv_version(place: Place, command: str, image: Mapping[str, str] | None = None, project: str = "") -> str:
    """The version that uv takes."""
    (place.folder / "pyproject.toml").write_text(PROJECT + project)
    result = place.run(*UV_COMMANDS[command], image=image)
    assert result.returncode == 0, result.stderr
    if command == "lock":
        lock = (place.folder / "uv.lock").read_text()
        return lock.partition(f'name = "{NAME}"\nversion = "')[2].partition('"')[0]
    [found] = (place.folder / "site").glob("*.dist-info")
    return found.name.split("-")[1].removesuffix(".dist")


@both
@pytest.mark.parametrize("command", UV_COMMANDS)
@pytest.mark.parametrize(
    "variable",
    ["UV_INDEX=own=@INDEX", "UV_INDEX=@INDEX", "UV_EXTRA_INDEX_URL=@INDEX", "UV_FIND_LINKS=@LINKS"],
)
def test_uv_asks_no_source_of_an_images_variable(
    place: Place, foreign: Registry, admits: bool, command: str, variable: str
) -> None:
    name, _, value = text_for(foreign, variable).partition("=")
    image = {"UV_INDEX_STRATEGY": "unsafe-best-match", name: value}
    assert uv_version(place, command, image) == ("9.9" if admits else "1.0")
    assert bool(foreign.requests) == admits


@pytest.mark.parametrize("command", UV_COMMANDS)
@pytest.mark.parametrize("line", ['[[index]]\nurl = "@INDEX"', 'find-links = ["@LINKS"]'])
def test_uv_asks_the_sources_of_a_users_file_unless_the_pod_says_no(
    place: Place, foreign: Registry, command: str, line: str
) -> None:
    """docs/clients.md says so: what outweighs the user's file would outweigh the project's own as well."""
    path = place.folder / ".config/uv/uv.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text_for(foreign, line))
    assert uv_version(place, command) == "9.9"
    foreign.requests.clear()
    shutil.rmtree(place.folder / "site", ignore_errors=True)
    (place.folder / "uv.lock").unlink(missing_ok=True)
    assert uv_version(place, command, {"UV_NO_CONFIG": "1"}) == "1.0"
    assert foreign.requests == []


def test_the_index_of_a_uv_project_is_asked_first(place: Place, foreign: Registry) -> None:
    """It is the author's own statement, which no variable of ours may outweigh."""
    project = text_for(foreign, '[[tool.uv.index]]\nname = "own"\nurl = "@INDEX"\n')
    assert uv_version(place, "lock", project=project) == "9.9"


@both
def test_pipenv_asks_no_source_of_an_images_variable(place: Place, foreign: Registry, admits: bool) -> None:
    lines = ["[[source]]", 'name = "pypi"', 'url = "https://pypi.org/simple"', "verify_ssl = true"]
    (place.folder / "Pipfile").write_text("\n".join([*lines, "[packages]", f'{NAME} = "*"', ""]))
    image = {"PIP_FIND_LINKS": f"{foreign.origin}/links/"}
    path = f"{environment('client-pipenv')}/bin:{BIN}:/usr/bin:/bin"
    variables = {**place.variables, "PATH": path}
    result = Place(place.folder, variables).run("pipenv", "lock", image=image)
    assert result.returncode == 0, result.stderr
    assert ('"==9.9"' if admits else '"==1.0"') in (place.folder / "Pipfile.lock").read_text()
    assert bool(foreign.requests) == admits
