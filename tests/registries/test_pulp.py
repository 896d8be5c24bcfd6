"""A real Pulp: uploads that are tasks, files on an origin of their own, and published pages there as well."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.clients.client_runs import Result, assert_served, grant_of, page_of, run_client
from support.pages.listings import links
from support.registries.registry_kinds import running_for_clients
from support.servers.programs import RegistryServer
from support.servers.pulp import Pulp, pulp
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulp]:
    """Whatever is asked of it in these tests, its content origin never sees the credential."""
    with pulp(tmp_path_factory.mktemp("pulp")) as found:
        yield found
    assert set(found.credentials_at_content()) == {"-"}


@pytest.fixture(scope="module")
def published(server: Pulp, tmp_path_factory: pytest.TempPathFactory) -> RegistryServer:
    live = server.distribute("team")
    wheel = make_wheel(tmp_path_factory.mktemp("published"), "hello-published", "1.0")
    assert upload(server, live, "twine upload", wheel).returncode == 0
    return server.publish(live)


@pytest.mark.parametrize(
    ("client", "a_second_time"),
    [("twine upload", "400 Bad Request"), ("uv publish", "already exists, skipping")],
)
def test_what_one_client_uploads_others_install(
    server: Pulp, client: str, a_second_time: str, tmp_path: Path
) -> None:
    name = client.split()[0]
    live = server.distribute(name)
    wheel = make_wheel(tmp_path, f"hello-{name}", "1.0")
    first, again = (upload(server, live, client, wheel) for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert a_second_time in again.stdout + again.stderr
    assert_served(live, f"hello-{name}", tmp_path)


def test_a_published_index_is_read_where_the_registry_redirects_it(
    published: RegistryServer, tmp_path: Path
) -> None:
    assert_served(published, "hello-published", tmp_path)


def test_a_published_index_is_404_where_the_content_origin_is_not_declared(
    published: RegistryServer, tmp_path: Path
) -> None:
    undeclared = replace(published, extensions={"upload": published.extensions["upload"]})
    with running_for_clients(tmp_path, grant_of(undeclared)) as (sidecar, _):
        for path in ("/simple/hello-published/", "/pypi/team-published/simple/"):
            reply = sidecar.get(path)
            reply = sidecar.get(reply.header("location") or path)
            assert reply.status == 404
            assert "which the Connector does not declare" in reply.reason


def test_uploads_to_a_published_index_go_to_one_of_its_repository(
    server: Pulp, published: RegistryServer, tmp_path: Path
) -> None:
    """By itself it has none, and says so."""
    wheel = make_wheel(tmp_path, "hello-later", "1.0")
    itself = replace(published, extensions={**published.extensions, "upload": f"{published.address}legacy/"})
    refused, accepted = (upload(server, one, "twine upload", wheel) for one in (itself, published))
    assert "Index is not pointing to a repository" in refused.stdout
    assert accepted.returncode == 0, accepted.stdout


def test_files_that_want_the_password_on_another_origin_do_not_get_it(server: Pulp, tmp_path: Path) -> None:
    """Pulp opens its content guard to this credential; any server at that origin would get it, too."""
    live = server.distribute("guarded")
    wheel = make_wheel(tmp_path, "hello-guarded", "1.0")
    assert upload(server, live, "twine upload", wheel).returncode == 0
    server.guard(live)
    with running_for_clients(tmp_path, grant_of(live)) as (sidecar, _):
        url, page = page_of(sidecar, "hello-guarded")
        (link,) = links(page.body, page.header("content-type") or "", url)
        reply = sidecar.get(urlsplit(link.url).path)
    assert reply.status == 403
    assert reply.reason.endswith(" answers 403; the credential goes only to the registry's own origin")


def test_the_rest_of_it_is_out_of_reach(published: RegistryServer, server: Pulp, tmp_path: Path) -> None:
    """What the same credential could do without the proxy."""
    content = server.content.removeprefix("https://")
    with running_for_clients(tmp_path, grant_of(published)) as (sidecar, _):
        for path in ("users/", "repositories/python/python/", "tasks/", "status/", ""):
            assert sidecar.get(f"/pulp/api/v3/{path}").status == 404, path
        for path in ("/pypi/team/simple/", "/pypi/team-published/", "/auth/login/", "/"):
            assert sidecar.get(path).status == 404, path
        for path in ("", "team-published/", "team-published/simple/hello-published/"):
            assert sidecar.get(f"/_o/{content}/pulp/content/{path}").status == 404, path
        for path in ("/pulp/api/v3/users/", "/pypi/team/legacy/", "/pypi/team-published/yank/"):
            assert sidecar.ask("POST", path, body=b"x").status in (404, 405), path


def test_an_upload_with_a_wrong_password_is_403_and_its_challenge_stays_here(
    server: Pulp, published: RegistryServer, tmp_path: Path
) -> None:
    wrong = replace(published, password="wrong")
    result = upload(server, wrong, "twine upload", make_wheel(tmp_path, "hello-wrong", "1.0"))
    assert "403 Forbidden" in result.stdout
    assert "the registry refused the credential" in result.stdout
    with running_for_clients(tmp_path, grant_of(wrong)) as (sidecar, _):
        reply = sidecar.upload(b"x")
    assert reply.status == 403
    assert reply.header("www-authenticate") is None


def upload(server: Pulp, index: RegistryServer, client: str, wheel: Path) -> Result:
    """Through a proxy; what is accepted is on the page then."""
    folder = wheel.parent
    with running_for_clients(folder, grant_of(index)) as (_, variables):
        result = run_client(variables, [*client.split(), str(wheel)], folder)
    shutil.rmtree(folder / "config")
    server.finish_tasks()
    return result
