"""Real clients through `pypi-connector run`, against real registries with a password."""

import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.clients.client_runs import assert_clean, run
from support.machine.environments import environment
from support.servers.breaking_relay import BreakingRelay
from support.servers.programs import RegistryServer
from webhook.demo.packages import make_wheel

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.clients


def test_pip_installs_from_pypiserver(pypiserver: RegistryServer, pip: Path, tmp_path: Path) -> None:
    result = run(pypiserver, tmp_path, str(pip), "install", "--target", "site", "hello-connector")
    assert_clean(result, pypiserver)
    assert (tmp_path / "site" / "hello_connector.py").exists()


def test_pip_downloads_with_isolated_configuration(
    pypiserver: RegistryServer, pip: Path, tmp_path: Path
) -> None:
    # --isolated drops the variables; the file that PIP_CONFIG_FILE names is read all the same
    result = run(pypiserver, tmp_path, str(pip), "--isolated", "download", "--dest", "d", "hello-connector")
    assert_clean(result, pypiserver)
    assert len(list((tmp_path / "d").iterdir())) == 1


def test_pip_resumes_a_download_that_broke_off(pypiserver: RegistryServer, tmp_path: Path) -> None:
    packages = pypiserver.packages
    assert packages is not None
    make_wheel(packages, "broken-off", "1.0", filler=bytes(2_000_000))
    pip = environment("pip-newest") / "bin" / "pip"  # the oldest one cannot
    with BreakingRelay(urlsplit(pypiserver.address).port or 0, octets=1_000_000) as relay:
        flaky = replace(pypiserver, address=f"http://127.0.0.1:{relay.port}")
        result = run(flaky, tmp_path, str(pip), "download", "--no-cache-dir", "--dest", "d", "broken-off")
    assert_clean(result, pypiserver)
    assert "resume" in result.stdout + result.stderr
    assert "GET file broken_off-1.0-py3-none-any.whl 206" in result.stderr
    [found] = (tmp_path / "d").iterdir()
    assert found.read_bytes() == (packages / found.name).read_bytes()


def test_pipenv_locks_every_file_and_names_no_proxy(pypiserver: RegistryServer, tmp_path: Path) -> None:
    packages = pypiserver.packages
    assert packages is not None
    wheel = make_wheel(packages, "two-files", "1.0")
    with tarfile.open(packages / "two_files-1.0.tar.gz", "w:gz") as archive:
        archive.add(wheel, "two_files-1.0/wheel")
    source = {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}
    lines = [f"{name} = {json.dumps(value)}" for name, value in source.items()]
    (tmp_path / "Pipfile").write_text("\n".join(["[[source]]", *lines, "[packages]", 'two-files = "*"', ""]))
    path = f"{environment('client-pipenv')}/bin:{BIN}:/usr/bin:/bin"
    result = run(pypiserver, tmp_path, "pipenv", "lock", PATH=path)
    assert_clean(result, pypiserver)
    lock = json.loads((tmp_path / "Pipfile.lock").read_text())
    assert lock["_meta"]["sources"] == [source]  # the lock is good where there is no connector, too
    assert len(lock["default"]["two-files"]["hashes"]) == 2


def test_uv_locks_and_syncs_frozen(pypiserver: RegistryServer, tmp_path: Path) -> None:
    script = (
        "uv init --quiet --bare --name app . && uv add --quiet hello-connector && rm -rf .venv "
        "&& uv sync --quiet --frozen && .venv/bin/python -c 'import hello_connector'"
    )
    result = run(pypiserver, tmp_path, "sh", "-ec", script, UV_CACHE_DIR=str(tmp_path / "cache"))
    assert_clean(result, pypiserver)
    assert "127.0.0.1" in (tmp_path / "uv.lock").read_text()


def test_twine_uploads_and_pip_installs_what_it_uploaded(pypiserver: RegistryServer, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "by-twine", "1.0", filler=bytes(3_000_000))
    assert_clean(run(pypiserver, tmp_path, "twine", "upload", str(wheel)), pypiserver)
    assert_clean(run(pypiserver, tmp_path, "pip", "install", "--target", "s", "by-twine"), pypiserver)


def test_uv_publishes_once_and_skips_the_second_time(pypiserver: RegistryServer, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "by-uv", "1.0")
    first = run(pypiserver, tmp_path, "uv", "publish", "--no-cache", str(wheel))
    assert_clean(first, pypiserver)
    second = run(pypiserver, tmp_path, "uv", "publish", "--no-cache", str(wheel))
    assert_clean(second, pypiserver)
    assert "already exists" in second.stderr


def test_devpi_serves_uploads_and_inherited_links(devpi: RegistryServer, pip: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, f"to-devpi-{pip.parents[1].name}", "1.0")
    base = RegistryServer(devpi.address.replace("team", "base"), devpi.username, devpi.password, "+simple/")
    assert_clean(run(base, tmp_path, "twine", "upload", str(wheel)), devpi)
    name = wheel.name.split("-")[0].replace("_", "-")
    # the page of root/team links to files of root/base, out of the index's own path
    result = run(devpi, tmp_path, str(pip), "install", "--no-cache-dir", "--target", "site", name)
    assert_clean(result, devpi)
    page = run(devpi, tmp_path, "sh", "-c", f"curl -sL ${{PIP_INDEX_URL}}{name}/")
    assert "../../../base/+f/" in page.stdout
    assert_clean(
        run(devpi, tmp_path, "uv", "pip", "install", "--no-cache", "--target", "site-uv", name), devpi
    )


def test_a_lock_file_with_inherited_links_works_in_a_fresh_proxy(
    devpi: RegistryServer, tmp_path: Path
) -> None:
    """The file lies out of the Connector's address, and `uv sync --frozen` reads no page of the index."""
    wheel = make_wheel(tmp_path, "locked-at-devpi", "1.0")
    base = RegistryServer(devpi.address.replace("team", "base"), devpi.username, devpi.password, "+simple/")
    assert_clean(run(base, tmp_path, "twine", "upload", str(wheel)), devpi)
    project = '[project]\nname = "locked"\nversion = "0"\nrequires-python = ">=3.11"\n'
    (tmp_path / "pyproject.toml").write_text(project + 'dependencies = ["locked-at-devpi"]\n')
    assert_clean(run(devpi, tmp_path, "uv", "lock", "--no-cache"), devpi)
    assert "/base/+f/" in (tmp_path / "uv.lock").read_text()
    # each run has a port of its own
    here = "sed -i s#http://127.0.0.1:[0-9]*/#${PIP_INDEX_URL%simple/}# uv.lock"
    result = run(devpi, tmp_path, "sh", "-c", f"{here} && uv sync --frozen --no-cache")
    assert_clean(result, devpi)
    assert list(tmp_path.glob(".venv/lib/*/site-packages/locked_at_devpi.py"))
    assert "GET index" not in result.stderr


def test_a_missing_package_is_not_found_and_nothing_else(pypiserver: RegistryServer, tmp_path: Path) -> None:
    result = run(pypiserver, tmp_path, "pip", "download", "no-such-package-here")
    assert_clean(result, pypiserver, code=1)
    assert "No matching distribution" in result.stderr


def test_a_wrong_password_ends_with_a_sentence_and_no_question(
    pypiserver: RegistryServer, tmp_path: Path
) -> None:
    wrong = RegistryServer(pypiserver.address, "robot", "canary-wrong", "simple/")
    result = run(wrong, tmp_path, "uv", "pip", "install", "--target", "s", "hello-connector")
    assert_clean(result, wrong, code=1)
    # pypiserver says 403 where others say 401
    assert "forbids this to the credential of connector default/registry (status 403)" in result.stderr
    assert "User for" not in result.stdout + result.stderr


@pytest.mark.parametrize("client", ["pip", "uv pip"])
def test_an_index_that_the_environment_names_is_replaced_and_named(
    pypiserver: RegistryServer, tmp_path: Path, client: str
) -> None:
    other = "http://127.0.0.1:9/simple/"
    command = [*client.split(), "install", "--target", "s", "hello-connector"]
    result = run(
        pypiserver,
        tmp_path,
        *command,
        PIP_INDEX_URL=other,
        UV_DEFAULT_INDEX=other,
        PIP_EXTRA_INDEX_URL=other,
        HTTP_PROXY="http://127.0.0.1:9",
    )
    assert_clean(result, pypiserver)
    assert (
        "replaced in the environment: PIP_EXTRA_INDEX_URL, PIP_INDEX_URL, UV_DEFAULT_INDEX" in result.stderr
    )
