"""Real pip, uv and twine with the two files of the reference page, through a gateway to pypiserver.

The name `c-pypi.team.svc.cluster.local` leads to the gateway at port 80 in a network of its own.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.clients.client_runs import assert_installed, declaration_of, run_client
from support.machine.environments import clean, environment
from support.servers import programs
from support.servers.programs import RegistryServer
from support.sidecars.gateways import HOST, PREFIX, TOKEN, Gateway, GatewayBroker, running_gateway
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

PIP_CONF = """[global]
index-url = {scheme}://team-pypi:{token}@{place}/simple/
timeout = 30

[install]
trusted-host = {host}
"""
PYPIRC = """[distutils]
index-servers = connectors-pypi

[connectors-pypi]
repository = {scheme}://{place}/
username = team-pypi
password = {token}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with programs.pypiserver(tmp_path_factory.mktemp("pypiserver")) as server:
        assert server.packages is not None
        make_wheel(server.packages, "hello-connector", "1.0")
        yield server


@pytest.fixture(scope="module")
def gateway(server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with GatewayBroker() as broker:
        broker.allow("team/pypi", TOKEN, declaration_of(server).grant)
        with running_gateway(tmp_path_factory.mktemp("gateway"), broker) as gateway:
            yield gateway


@pytest.fixture(params=["pip-oldest", "pip-newest"])
def pip(request: pytest.FixtureRequest) -> str:
    return str(environment(request.param) / "bin" / "pip")


def by_path(gateway: Gateway) -> str:
    return f"127.0.0.1:{gateway.port}{PREFIX}"


def write_files(folder: Path, place: str, scheme: str = "http") -> dict[str, str]:
    """The two files, and the variables of a client that finds them."""
    values = {"place": place, "host": re.split("[:/]", place)[0], "token": TOKEN, "scheme": scheme}
    (folder / "pip.conf").write_text(PIP_CONF.format(**values))
    (folder / ".pypirc").write_text(PYPIRC.format(**values))
    return clean(PIP_CONFIG_FILE=str(folder / "pip.conf"))


def test_pip_installs(gateway: Gateway, pip: str, tmp_path: Path) -> None:
    variables = write_files(tmp_path, by_path(gateway))
    command = [pip, "install", "--no-cache-dir", "--target", "site", "hello-connector"]
    assert_installed(run_client(variables, command, tmp_path), "hello_connector.py", tmp_path)
    line = gateway.wait_line(message="request", action="file", status=200)
    assert line["client"] == "team/builder"
    assert line["connector"] == "team/pypi"
