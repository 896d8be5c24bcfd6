"""A real Gitea: uploads, pages whose links begin with its ROOT_URL, everything behind the password."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.clients.client_runs import assert_served, grant_of, page_of, run_client
from support.registries.registry_kinds import running_for_clients
from support.servers.gitea import gitea
from support.servers.programs import RegistryServer
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with gitea(tmp_path_factory.mktemp("gitea")) as found:
        yield found


@pytest.mark.parametrize(
    ("client", "a_second_time"),
    [("twine upload", "409 Conflict"), ("uv publish", "already exists, skipping")],
)
def test_what_one_client_uploads_others_install(
    server: RegistryServer, client: str, a_second_time: str, tmp_path: Path
) -> None:
    project = f"hello-{client.split()[0]}"
    wheel = make_wheel(tmp_path, project, "1.0")
    with running_for_clients(tmp_path, grant_of(server)) as (_, variables):
        first, again = (run_client(variables, [*client.split(), str(wheel)], tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert a_second_time in again.stdout + again.stderr
    shutil.rmtree(tmp_path / "config")
    assert_served(server, project, tmp_path)


def test_the_rest_of_it_is_out_of_reach(server: RegistryServer, tmp_path: Path) -> None:
    """What the same credential could do without the proxy."""
    with running_for_clients(tmp_path, grant_of(server)) as (sidecar, _):
        for path in ("/api/v1/user", "/api/v1/admin/users", "/api/packages/robot/npm/hello", "/robot", "/"):
            assert sidecar.get(path).status == 404, path
        for path in ("/api/v1/user/tokens", "/user/login", "/api/packages/robot/pypi/x"):
            assert sidecar.ask("POST", path, body=b"x").status in (404, 405), path


def test_a_wrong_password_is_403_and_its_own_challenge_stays_here(
    server: RegistryServer, tmp_path: Path
) -> None:
    wrong = grant_of(server)._replace(credential=Credential(server.username, Secret("wrong")))
    with running_for_clients(tmp_path, wrong) as (sidecar, _):
        _, reply = page_of(sidecar, "hello-twine")
    assert reply.status == 403
    assert "refused the credential" in reply.reason
    assert reply.header("www-authenticate") is None
