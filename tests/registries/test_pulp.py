"""A real Pulp: uploads that are tasks, files on an origin of their own, and published pages there as well."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.certificates.authority import ca
from support.clients.client_runs import (
    BIN,
    Result,
    assert_served,
    grant_of,
    page_of,
    pip_install,
    run_client,
)
from support.machine.environments import clean
from support.pages.listings import links
from support.registries.registry_kinds import running_for_clients
from support.servers.programs import RegistryServer
from support.servers.pulp import CONTENT, Pulp, pulp
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

GUARDED = "team-guarded"
"""How the names of the guarded indexes begin"""
PROJECT = "hello-published"
FILE = "hello_published-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulp]:
    """Whatever is asked of it in these tests, its content never sees the credential on another origin."""
    with pulp(tmp_path_factory.mktemp("pulp")) as found:
        yield found
    sent = {one for path, one in found.credentials_at_content() if not path.startswith(CONTENT + GUARDED)}
    assert sent == {"-"}


@pytest.fixture(scope="module")
def live(server: Pulp, tmp_path_factory: pytest.TempPathFactory) -> RegistryServer:
    found = server.distribute("team")
    wheel = make_wheel(tmp_path_factory.mktemp("published"), PROJECT, "1.0")
    assert upload(server, found, "twine upload", wheel).returncode == 0
    return found


@pytest.fixture(scope="module")
def published(server: Pulp, live: RegistryServer) -> RegistryServer:
    return server.publish(live)


@pytest.fixture(scope="module")
def guarded(server: Pulp, live: RegistryServer) -> RegistryServer:
    """Published, with pages and files for the password only, and API and content on one origin.

    `team-guarded-too` is another such index there. The password opens it, too.
    """
    first, _ = found = [server.publish(live, suffix) for suffix in ("guarded", "guarded-too")]
    for one in found:
        server.guard(one)
    return server.on_one_origin(first)


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
    assert_served(published, PROJECT, tmp_path)


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


def test_files_that_want_the_password_get_it_on_the_registrys_own_origin_alone(
    server: Pulp, tmp_path: Path
) -> None:
    """Pulp opens its content guard to this credential; any server at another origin would get it, too."""
    live = server.distribute(f"{GUARDED}-live")
    wheel = make_wheel(tmp_path, "hello-guarded", "1.0")
    assert upload(server, live, "twine upload", wheel).returncode == 0
    server.guard(live)
    path = f"{CONTENT}{GUARDED}-live/{wheel.name}"
    with running_for_clients(tmp_path, grant_of(live)) as (sidecar, _):
        url, page = page_of(sidecar, "hello-guarded")
        (link,) = links(page.body, page.header("content-type") or "", url)
        assert link.url.endswith(path)
        reply = sidecar.get(urlsplit(link.url).path)
    assert reply.status == 403
    assert reply.reason.endswith(" answers 403; the credential goes only to the registry's own origin")
    assert (path, "-") in server.credentials_at_content()
    shutil.rmtree(tmp_path / "config")
    undeclared = replace(server.on_one_origin(live), extensions={})
    with running_for_clients(tmp_path, grant_of(undeclared)) as (sidecar, _):
        assert sidecar.get(path).body == wheel.read_bytes()


def test_a_guarded_index_on_one_origin_is_read(guarded: RegistryServer, tmp_path: Path) -> None:
    assert_served(guarded, PROJECT, tmp_path)


def test_pulp_itself_keeps_guarded_content_from_others(server: Pulp, guarded: RegistryServer) -> None:
    for index in (GUARDED, f"{GUARDED}-too"):
        for path in (f"simple/{PROJECT}/", FILE):
            statuses = [server.status(f"{CONTENT}{index}/{path}", has_password=one) for one in (False, True)]
            assert statuses == [403, 200]


@pytest.mark.parametrize("below", ["", "simple/"], ids=["all of it", "pages"])
def test_a_fresh_pod_gets_what_another_has_locked(
    guarded: RegistryServer, tmp_path: Path, below: str
) -> None:
    """With the prefix of all content of the index, or with the URL that the sentence of a refusal names."""
    declared = grant_of(replace(guarded, extensions={"files": guarded.extensions["files"] + below}))
    project = f'[project]\nname = "locked"\nversion = "0"\ndependencies = ["{PROJECT}"]\n'
    (tmp_path / "pyproject.toml").write_text(f'{project}requires-python = ">=3.11"\n')
    urls = []
    for command in (["uv", "lock"], ["uv", "sync", "--frozen"]):
        folder = tmp_path / command[1]
        folder.mkdir()
        with running_for_clients(folder, declared) as (sidecar, variables):
            urls.append(f"http://127.0.0.1:{sidecar.port}")
            if len(urls) == 2:
                lock = tmp_path / "uv.lock"
                lock.write_text(lock.read_text().replace(*urls))
            result = run_client(variables, [*command, "--no-cache"], tmp_path)
            assert result.returncode == 0, result.stderr
            looks = [line for line in sidecar.lines if line.get("message", "").startswith("page read")]
    assert list(tmp_path.glob(".venv/lib/*/site-packages/hello_published.py"))
    assert len(looks) == bool(below)


def test_where_its_prefix_is_not_declared_the_sentence_names_it_and_the_field(
    guarded: RegistryServer, tmp_path: Path
) -> None:
    undeclared = replace(guarded, extensions={})
    content = guarded.extensions["files"]
    with running_for_clients(tmp_path, grant_of(undeclared)) as (sidecar, variables):
        reply = page_of(sidecar, PROJECT)[1]
        assert reply.status == 403
        assert f"redirects to {content}simple/, outside the Connector's address" in reply.reason
        assert reply.reason.endswith("declare that URL as addressExtensions files")
        reply = sidecar.get(f"{CONTENT}{GUARDED}/{FILE}")
        assert f"redirects to {content}simple/" in reply.reason
        assert run_client(variables, pip_install(PROJECT), tmp_path).returncode != 0
    result = subprocess.run(
        [BIN / "pypi-connector", "check", "-f", "-"],
        input=undeclared.manifests(ca=ca()),
        capture_output=True,
        text=True,
        env=clean(),
        check=False,
    )
    assert result.returncode == 1, result.stdout
    assert f"a redirect to {urlsplit(content).path}simple/" in result.stdout
    assert "declare that URL as addressExtensions files" in result.stdout


def test_the_password_goes_to_nothing_else_of_that_origin(
    server: Pulp, guarded: RegistryServer, tmp_path: Path
) -> None:
    before = len(server.credentials_at_content())
    with running_for_clients(tmp_path, grant_of(guarded)) as (sidecar, _):
        assert page_of(sidecar, PROJECT)[1].status == 200
        for path in (f"-too/{FILE}", f"-too/simple/{PROJECT}/", f"-too/{FILE}.metadata", "/", "/simple/"):
            assert sidecar.get(f"{CONTENT}{GUARDED}{path}").status == 404, path
        for path in (CONTENT, f"/pypi/{GUARDED}-too/simple/{PROJECT}/", "/pulp/api/v3/users/"):
            assert sidecar.get(path).status == 404, path
        assert sidecar.get(f"{CONTENT}{GUARDED}/../{GUARDED}-too/{FILE}").status == 400
    asked = {path for path, _ in server.credentials_at_content()[before:]}
    assert asked == {f"{CONTENT}{GUARDED}/simple/{PROJECT}/"}


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
