"""`pypi-connector run` with several connectors, in the order of its option."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients.client_runs import BIN, UV, Result, pip_install
from support.machine.environments import clean
from support.servers import programs
from support.servers.programs import RegistryServer
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with programs.pypiserver(tmp_path_factory.mktemp("mirror")) as server:
        assert server.packages is not None
        make_wheel(server.packages, "hello-connector", "9.9")
        make_wheel(server.packages, "only-mirrored", "1.0")
        yield server


def run(
    private: RegistryServer,
    mirror: RegistryServer,
    folder: Path,
    *command: str,
    connector: str = "private,mirror",
    mirrors: str = "",
    **variables: str,
) -> Result:
    """`mirrors`: further manifests."""
    manifests = f"{private.manifests('private')}---\n{mirror.manifests('mirror')}{mirrors}"
    result = subprocess.run(
        [str(BIN / "pypi-connector"), "run", "-v", "-f", "-", "--connector", connector, "--", *command],
        input=manifests,
        env=clean(HOME=str(folder), **variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert private.password not in result.stdout + result.stderr
    assert mirror.password not in result.stdout + result.stderr
    return result


@pytest.mark.parametrize("install", [pip_install("only-mirrored"), [*UV, "only-mirrored"]])
def test_each_project_comes_from_the_first_that_has_it(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path, install: list[str]
) -> None:
    result = run(
        pypiserver, mirror, tmp_path, *install, "hello-connector", connector="private, default/mirror"
    )
    assert result.returncode == 0, result.stderr
    assert 'VERSION = "1.0"' in (tmp_path / "site" / "hello_connector.py").read_text()
    assert (tmp_path / "site" / "only_mirrored.py").exists()
    assert "default/private is at http://127.0.0.1:" in result.stderr
    assert "default/mirror is asked for what it does not have" in result.stderr
    assert "GET index only-mirrored 302" in result.stderr
    assert "GET index hello-connector 302" not in result.stderr


def test_the_order_is_that_of_the_option(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path
) -> None:
    result = run(pypiserver, mirror, tmp_path, *UV, "hello-connector", connector="mirror,private,mirror")
    assert result.returncode == 0, result.stderr
    assert 'VERSION = "9.9"' in (tmp_path / "site" / "hello_connector.py").read_text()


def test_a_single_connector_has_no_next(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path
) -> None:
    result = run(pypiserver, mirror, tmp_path, *UV, "only-mirrored", connector="private")
    assert result.returncode == 1
    assert "is asked" not in result.stderr


def test_uploads_go_to_the_first(pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "by-run-in-order", "1.0")
    result = run(pypiserver, mirror, tmp_path, "twine", "upload", str(wheel))
    assert result.returncode == 0, result.stderr
    assert pypiserver.packages is not None
    assert (pypiserver.packages / wheel.name).exists()


def test_only_the_first_takes_uploads(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path
) -> None:
    script = """
    page=$(curl -s -o /dev/null -w '%{redirect_url}' ${PIP_INDEX_URL}only-mirrored/)
    curl -s -F a=b ${page%simple/*}
    """
    result = run(pypiserver, mirror, tmp_path, "sh", "-c", script)
    assert "this Pod may not upload" in result.stdout


@pytest.mark.parametrize(
    ("connector", "sentence"),
    [
        ("private,absent", "no Connector is called 'absent'; the files hold default/mirror, default/private"),
        ("private,", "no Connector is called ''"),
    ],
)
def test_a_name_in_the_list_must_be_known(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path, connector: str, sentence: str
) -> None:
    result = run(pypiserver, mirror, tmp_path, "true", connector=connector)
    assert result.returncode == 2
    assert sentence in result.stderr


def test_the_strictest_rule_on_further_indexes_holds(
    pypiserver: RegistryServer, mirror: RegistryServer, tmp_path: Path
) -> None:
    strict = (
        "---\napiVersion: connectors.alauda.io/v1alpha1\nkind: Connector\nmetadata: {name: strict}\n"
        "spec: {connectorClassName: pypi, address: 'https://pypi.example', "
        "params: [{name: extraIndexes, value: refuse}]}\n"
    )
    uv = tmp_path / ".config" / "uv"
    uv.mkdir(parents=True)
    (uv / "uv.toml").write_text('[[index]]\nurl = "https://other.example/simple/"\n')
    result = run(pypiserver, mirror, tmp_path, "true", connector="private,strict", mirrors=strict)
    assert result.returncode == 2
    assert "Connector default/strict refuses indexes beside it" in result.stderr
    assert run(pypiserver, mirror, tmp_path, "true").returncode == 0
