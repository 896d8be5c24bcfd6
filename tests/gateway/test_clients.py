"""Real pip, uv and twine with the two files of the reference page, through a gateway to pypiserver.

The name `c-pypi.team.svc.cluster.local` leads to the gateway at port 80 in a network of its own.
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.authority import issue_leaf
from support.certificates.authority import HOSTS, authority, ca
from support.clients.client_runs import assert_installed, declaration_of, run_client
from support.machine.environments import clean, environment
from support.machine.networks import run_apart
from support.machine.ports import free_port
from support.servers import programs
from support.servers.fronts import front
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


def test_uv_installs(gateway: Gateway, tmp_path: Path) -> None:
    index = f"http://anybody:{TOKEN}@{by_path(gateway)}/simple/"
    command = [
        "uv",
        "pip",
        "install",
        "--no-cache",
        "--target",
        "site",
        "--index-url",
        index,
        "hello-connector",
    ]
    assert_installed(run_client(clean(), command, tmp_path), "hello_connector.py", tmp_path)


def test_twine_uploads_and_pip_installs_it(gateway: Gateway, pip: str, tmp_path: Path) -> None:
    variables = write_files(tmp_path, by_path(gateway))
    project = f"by-twine-{Path(pip).parts[-3].replace('.', '-').lower()}"
    wheel = make_wheel(tmp_path, project, "1.0", filler=bytes(3_000_000))
    upload = ["twine", "upload", "-r", "connectors-pypi", str(wheel)]
    result = run_client(variables, upload, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    command = [pip, "install", "--no-cache-dir", "--target", "site", project]
    assert_installed(run_client(variables, command, tmp_path), f"{project.replace('-', '_')}.py", tmp_path)


def test_uv_publishes(gateway: Gateway, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "by-uv", "1.0", filler=bytes(3_000_000))
    url = f"http://{by_path(gateway)}/"
    command = ["uv", "publish", "--publish-url", url, "-u", "anybody", "-p", TOKEN, str(wheel)]
    result = run_client(clean(), command, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_token_without_rights_is_refused_in_words(gateway: Gateway, tmp_path: Path) -> None:
    """uv prints the reason phrase; a 401 would make pip ask a person."""
    index = f"http://anybody:{TOKEN[:-1]}y@{by_path(gateway)}/simple/"
    command = [
        "uv",
        "pip",
        "install",
        "--no-cache",
        "--target",
        "site",
        "--index-url",
        index,
        "hello-connector",
    ]
    result = run_client(clean(), command, tmp_path)
    assert result.returncode != 0
    assert "401" in result.stderr


@pytest.fixture
def ingress(gateway: Gateway, tmp_path: Path) -> Iterator[str]:
    """Host and port of an Ingress as other clusters see it: TLS, a host name of its own, the path form."""
    leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
    (tmp_path / "tls.crt").write_text(leaf.certificate)
    (tmp_path / "tls.key").write_text(leaf.key)
    port = free_port()
    with front(tmp_path, port, {"/namespaces/": f"http://127.0.0.1:{gateway.port}"}):
        programs.wait_for_answer(f"https://localhost:{port}/", ssl.create_default_context(cadata=ca()))
        yield f"localhost:{port}"


def test_clients_of_other_clusters_come_through_an_ingress(
    gateway: Gateway, ingress: str, pip: str, tmp_path: Path
) -> None:
    variables = write_files(tmp_path, f"{ingress}{PREFIX}", "https")
    text = (tmp_path / "pip.conf").read_text().partition("[install]")[0]  # the certificate is verified
    (tmp_path / "pip.conf").write_text(text)
    (tmp_path / "ca.crt").write_text(ca())
    variables |= {"PIP_CERT": str(tmp_path / "ca.crt"), "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.crt")}
    command = [pip, "install", "--no-cache-dir", "--target", "site", "hello-connector"]
    assert_installed(run_client(variables, command, tmp_path), "hello_connector.py", tmp_path)
    project = f"by-ingress-{Path(pip).parts[-3].replace('.', '-').lower()}"
    wheel = make_wheel(tmp_path, project, "1.0", filler=bytes(1_000_000))
    result = run_client(variables, ["twine", "upload", "-r", "connectors-pypi", str(wheel)], tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_two_files_work_with_the_name_of_the_service(scheme: str, tmp_path: Path) -> None:
    """At the ports of the Service, as the reference page has them."""
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost {HOST}\n")
    run_apart(lambda: install_and_upload(scheme, tmp_path), hosts=tmp_path / "hosts")


def install_and_upload(scheme: str, folder: Path) -> None:
    variables = write_files(folder, HOST, scheme)
    (folder / "ca.pem").write_text(ca())
    variables |= {"PIP_CERT": str(folder / "ca.pem"), "TWINE_CERT": str(folder / "ca.pem")}
    wheel = make_wheel(folder, "by-name", "1.0")
    pip = str(environment("pip-newest") / "bin" / "pip")
    with programs.pypiserver(folder / "registry") as server, GatewayBroker() as broker:
        broker.allow("team/pypi", TOKEN, declaration_of(server).grant)
        ports = {"GATEWAY_HTTP_PORT": "80", "GATEWAY_HTTPS_PORT": "443"}
        with running_gateway(folder, broker, **ports):
            for command in (
                ["twine", "upload", "-r", "connectors-pypi", str(wheel)],
                [pip, "install", "--no-cache-dir", "--target", "site", "by-name"],
            ):
                result = run_client(variables, command, folder)
                assert result.returncode == 0, result.stdout + result.stderr
