"""Real pip and uv where a registry is only the front: of another one that has users of its own, or of TLS."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.clients.client_runs import UV, assert_installed, pip_install, run_client
from support.registries.kinds import METADATA, PROJECT, WHEEL, files
from support.registries.registry_kinds import running_for_clients
from support.servers.registry import Call, Registry, Script
from support.sidecars.running import AUTHORIZATION, grant

pytestmark = pytest.mark.clients

CLIENTS = pytest.mark.parametrize("command", [pip_install(PROJECT), [*UV, PROJECT]], ids=["pip", "uv"])
STORE_USER = "reader:canary-of%2Fthe%20store"
STORE_AUTHORIZATION = "Basic " + b64encode(b"reader:canary-of/the store").decode()
HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
PAGE = f"/simple/{PROJECT}/"


@pytest.fixture
def front() -> Iterator[Registry]:
    with Registry(server_context()) as found:
        yield found


@pytest.fixture
def store() -> Iterator[Registry]:
    """Another origin, which has the files and wants a user of its own."""
    with Registry(server_context()) as found:
        for name in (WHEEL, METADATA):
            found.on(f"/store/{name}", guarded(STORE_AUTHORIZATION, 200, files()[name]))
        yield found


def guarded(authorization: str, status: int, body: bytes = b"", **headers: str) -> Script:
    """An answer to that user alone."""

    def script(call: Call) -> None:
        if call.request.header("authorization") == authorization:
            call.reply(status, body, headers.items())
        else:
            call.reply(401, b"who are you", {"WWW-Authenticate": "Basic"})

    return script


@CLIENTS
def test_a_file_is_fetched_with_the_user_of_its_redirect(
    front: Registry, store: Registry, tmp_path: Path, command: list[str]
) -> None:
    front.on(PAGE, guarded(AUTHORIZATION, 200, f'<a href="/f/{WHEEL}">x</a>'.encode(), **HTML))
    for name in (WHEEL, METADATA):
        to = f"{store.origin.replace('://', f'://{STORE_USER}@')}/store/{name}"
        front.on(f"/f/{name}", guarded(AUTHORIZATION, 302, Location=to))
    with running_for_clients(tmp_path, grant(front, file_origins=(store.origin,))) as (sidecar, variables):
        assert_installed(run_client(variables, command, tmp_path), "hello_shape.py", tmp_path)
        assert "canary" not in str(sidecar.lines)
    assert {one.header("authorization") for one in store.requests} == {STORE_AUTHORIZATION}


@CLIENTS
@pytest.mark.parametrize("kind", [HTML, JSON], ids=["html", "json"])
def test_a_file_is_fetched_with_the_user_of_its_link(
    front: Registry, store: Registry, tmp_path: Path, command: list[str], kind: dict[str, str]
) -> None:
    link = f"{store.origin.replace('://', f'://{STORE_USER}@')}/store/{WHEEL}"
    file = f'{{"filename": "{WHEEL}", "url": "{link}", "hashes": {{}}, "core-metadata": true}}'
    page = f'{{"meta": {{"api-version": "1.0"}}, "name": "{PROJECT}", "files": [{file}]}}'
    if kind is HTML:
        page = f'<a href="{link}" data-core-metadata="true">x</a>'
    front.on(PAGE, guarded(AUTHORIZATION, 200, page.encode(), **kind))
    with running_for_clients(tmp_path, grant(front, file_origins=(store.origin,))) as (sidecar, variables):
        assert_installed(run_client(variables, command, tmp_path), "hello_shape.py", tmp_path)
        assert "canary" not in str(sidecar.lines)
    assert {one.target for one in store.requests} >= {f"/store/{WHEEL}", f"/store/{METADATA}"}
    assert {one.header("authorization") for one in store.requests} == {STORE_AUTHORIZATION}


@CLIENTS
@pytest.mark.parametrize("form", ["html", "json", "base"])
def test_http_of_its_own_host_is_the_registry_over_tls(
    front: Registry, tmp_path: Path, command: list[str], form: str
) -> None:
    own = front.origin.replace("https:", "http:")
    file = f'{{"filename": "{WHEEL}", "url": "{own}/f/{WHEEL}", "hashes": {{}}}}'
    pages = {
        "html": (f'<a href="{own}/f/{WHEEL}">x</a>', HTML),
        "base": (f'<base href="{own}/f/"><a href="{WHEEL}">x</a>', HTML),
        "json": (f'{{"meta": {{"api-version": "1.0"}}, "name": "{PROJECT}", "files": [{file}]}}', JSON),
    }
    page, kind = pages[form]
    front.on(PAGE, guarded(AUTHORIZATION, 301, Location=own + PAGE.rstrip("/")))
    front.on(PAGE.rstrip("/"), guarded(AUTHORIZATION, 200, page.encode(), **kind))
    front.on(f"/f/{WHEEL}", guarded(AUTHORIZATION, 302, Location=f"{own}/files/{WHEEL}"))
    front.on(f"/files/{WHEEL}", guarded(AUTHORIZATION, 200, files()[WHEEL]))
    with running_for_clients(tmp_path, grant(front)) as (_, variables):
        assert_installed(run_client(variables, command, tmp_path), "hello_shape.py", tmp_path)


def test_uv_says_which_origin_refuses(front: Registry, store: Registry, tmp_path: Path) -> None:
    front.on(PAGE, guarded(AUTHORIZATION, 200, f'<a href="/f/{WHEEL}">x</a>'.encode(), **HTML))
    to = f"{store.origin.replace('://', '://reader:canary-of-yesterday@')}/store/{WHEEL}"
    front.on(f"/f/{WHEEL}", guarded(AUTHORIZATION, 302, Location=to))
    with running_for_clients(tmp_path, grant(front, file_origins=(store.origin,))) as (_, variables):
        result = run_client(variables, [*UV, PROJECT], tmp_path)
    assert result.returncode != 0
    assert f"{store.origin} answers 401 to the user and password of the link or redirect" in result.stderr
