"""Chains of real registries: one redirects to, mirrors or caches another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients.client_runs import assert_served, grant_of, page_of, pip_install, run_client
from support.registries.registry_kinds import running_for_clients
from support.servers import mirrors, programs
from support.servers.programs import RegistryServer
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory, devpi: RegistryServer) -> RegistryServer:
    """The devpi, with `in-devpi` uploaded."""
    folder = tmp_path_factory.mktemp("stocked")
    wheel = make_wheel(folder, "in-devpi", "1.0")
    with running_for_clients(folder, grant_of(devpi)) as (_, environment):
        result = run_client(environment, ["twine", "upload", str(wheel)], folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return devpi


@pytest.fixture(scope="module")
def falling_back(
    tmp_path_factory: pytest.TempPathFactory, stocked: RegistryServer
) -> Iterator[RegistryServer]:
    """A pypiserver with `in-pypiserver`, that looks for what it has not in devpi."""
    folder = tmp_path_factory.mktemp("falling-back")
    with programs.pypiserver(folder, fallback_url=f"{stocked.address}{stocked.index_path}") as server:
        assert server.packages is not None
        make_wheel(server.packages, "in-pypiserver", "1.0")
        yield server


def test_pypiserver_falls_back_to_a_devpi_that_is_declared(
    falling_back: RegistryServer, stocked: RegistryServer, tmp_path: Path
) -> None:
    """Its page is devpi's, found by a redirect."""
    assert_served(falling_back, "in-devpi", tmp_path, stocked)


def test_pypiserver_does_not_fall_back_to_one_that_is_not(
    falling_back: RegistryServer, tmp_path: Path
) -> None:
    with running_for_clients(tmp_path, grant_of(falling_back)) as (sidecar, environment):
        assert page_of(sidecar, "in-pypiserver")[1].status == 200
        reply = page_of(sidecar, "in-devpi")[1]
        assert reply.status == 404
        assert "does not declare" in reply.reason
        assert run_client(environment, pip_install("in-devpi"), tmp_path).returncode != 0


def test_a_devpi_that_mirrors_pypiserver(
    falling_back: RegistryServer, stocked: RegistryServer, tmp_path: Path
) -> None:
    login = f"//{falling_back.username}:{falling_back.password}@"
    url = f"{falling_back.address.replace('//', login)}/{falling_back.index_path}"
    assert_served(programs.make_devpi_mirror(stocked, "mirror", url), "in-pypiserver", tmp_path)


def test_a_proxpi_before_devpi(stocked: RegistryServer, tmp_path: Path) -> None:
    """Before one that wants no password to read: proxpi forgets it on the way from a page to its files."""
    with mirrors.proxpi(tmp_path, f"{stocked.address}{stocked.index_path}") as server:
        assert_served(server, "in-devpi", tmp_path)
