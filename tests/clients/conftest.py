"""Registries and clients, each made once for the whole run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine.environments import environment
from support.servers import programs
from webhook.demo.packages import make_wheel


@pytest.fixture(scope="session")
def pypiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.RegistryServer]:
    folder = tmp_path_factory.mktemp("pypiserver")
    with programs.pypiserver(folder) as server:
        assert server.packages is not None
        make_wheel(server.packages, "hello-connector", "1.0")
        yield server


@pytest.fixture(scope="session")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.RegistryServer]:
    with programs.devpi(tmp_path_factory.mktemp("devpi")) as server:
        yield server


@pytest.fixture(scope="session", params=["pip-oldest", "pip-newest"])
def pip(request: pytest.FixtureRequest) -> Path:
    """The oldest and the newest pip of the last three years."""
    return environment(request.param) / "bin" / "pip"
