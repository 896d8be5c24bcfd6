"""A registry behind TLS termination, which writes http before its own host: asked over TLS alone."""

import os
import socket
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.machine.networks import run_apart
from support.servers.registry import Registry, Script
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
SPELLINGS = [
    "http://{host}:{port}",
    "HTTP://{HOST}:{port}",
    "http://user:password@{host}:{port}",
    "http://{host}.:{port}",
    "https://{host}.:{port}",
    "//{host}:{port}",
]


def redirects(to: str, status: int = 301) -> Script:
    return lambda call: call.reply(status, b"moved", {"Location": to})


def spelled(spelling: str, host: str, port: int) -> str:
    return spelling.format(host=host, HOST=host.upper(), port=port)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_its_own_host_is_itself_over_tls(
    registry: Registry, tmp_path: Path, spelling: str, host: str
) -> None:
    index = f"https://{host}:{registry.port}/simple/"
    there = spelled(spelling, host, registry.port)
    registry.on(PAGE, redirects(f"{there}/simple/foo"))
    registry.on(WHEEL, redirects(f"{there}/files/foo-1.0.zip"))
    registry.page("/simple/foo", f'<a href="{there}/a-1.zip"><a href="b-1.zip">'.encode())
    registry.on("/files/foo-1.0.zip", lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, index_url=index)) as sidecar:
        assert sidecar.get(PAGE).body == b'<a href="/a-1.zip"><a href="/simple/b-1.zip">'
        assert sidecar.get(WHEEL).body == b"wheel"
    assert {one.header("authorization") for one in registry.requests} == {AUTHORIZATION}
    assert {one.header("host") for one in registry.requests} == {f"{host}:{registry.port}"}


def test_an_ipv6_address_is_a_host_like_others(tmp_path: Path) -> None:
    with Registry(server_context(("::1",)), "::1") as registry:
        registry.on(PAGE, redirects(f"http://[0:0:0:0:0:0:0:1]:{registry.port}/simple/foo"))
        registry.page("/simple/foo", f'<a href="http://[::1]:{registry.port}/a-1.zip">'.encode())
        with running_sidecar(tmp_path, grant(registry)) as sidecar:
            assert sidecar.get(PAGE).body == b'<a href="/a-1.zip">'


def test_a_declared_origin_of_files_is_meant_likewise(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    there = elsewhere.origin.replace("https:", "http:")
    host = elsewhere.origin.removeprefix("https://")
    registry.on(WHEEL, redirects(f"{there}/blob"))
    registry.page(PAGE, f'<base href="{there}/base/"><a href="{there}/a-1.zip"><a href="b-1.zip">'.encode())
    elsewhere.on("/blob", redirects(f"{there}/blob2"))
    elsewhere.on("/blob2", lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        assert sidecar.get(WHEEL).body == b"wheel"
        local = f"http://127.0.0.1:{sidecar.port}/_o/{host}"
        assert sidecar.get(PAGE).body == (
            f'<base href="{local}/base/"><a href="/_o/{host}/a-1.zip">'
            f'<a href="/_o/{host}/base/b-1.zip">'.encode()
        )
    assert {one.header("authorization") for one in elsewhere.requests} == {None}


def test_a_link_in_json_too(registry: Registry, sidecar: Sidecar) -> None:
    there = registry.origin.replace("https:", "http:")
    page = f'{{"files": [{{"url": "{there}/a-1.zip"}}, {{"url": "{there}/b-1.zip"}}]}}'
    registry.page(PAGE, page.encode(), "application/vnd.pypi.simple.v1+json")
    assert sidecar.get(PAGE).body == page.replace(there, "").encode()


def test_its_own_host_declared_as_http_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    """As `files`, because a redirect named it: the registry is asked over TLS all the same."""
    there = registry.origin.replace("https:", "http:")
    registry.on(WHEEL, redirects(f"{there}/files/foo-1.0.zip"))
    registry.page(PAGE, f'<a href="{there}/a-1.zip"><a href="{there}/b-1.zip">'.encode())
    registry.on("/files/foo-1.0.zip", lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, file_origins=(there,))) as sidecar:
        assert sidecar.get(WHEEL).body == b"wheel"
        assert sidecar.get(PAGE).body == b'<a href="/a-1.zip"><a href="/b-1.zip">'
    assert {one.header("authorization") for one in registry.requests} == {AUTHORIZATION}


@pytest.mark.parametrize("path", [WHEEL, PAGE])
def test_another_port_or_host_is_no_own_host(registry: Registry, sidecar: Sidecar, path: str) -> None:
    """Neither the redirect nor the link that it would follow gives up TLS."""
    with Registry() as plain:
        for host in ("127.0.0.1", "localhost", "127.0.0.1."):
            registry.on(path, redirects(f"http://{host}:{plain.port}{path}"))
            reply = sidecar.get(path)
            assert reply.status == (404 if path == PAGE else 502)
            assert "without TLS; not followed" in reply.reason
            assert "add it as" not in reply.reason  # that advice would lead to a refusal again
            is_own_host = host == "127.0.0.1"
            assert (
                f"tell the registry that clients reach it as {registry.origin}" in reply.reason
            ) is is_own_host
        assert plain.connections == 0


def test_https_of_an_http_registry_is_another_origin(tmp_path: Path) -> None:
    with Registry() as registry:
        registry.on(PAGE, redirects(registry.origin.replace("http:", "https:") + "/simple/foo"))
        with running_sidecar(tmp_path, grant(registry)) as sidecar:
            reply = sidecar.get(PAGE)
            assert reply.status == 404
            assert "add it as addressExtensions files" in reply.reason


def test_a_circle_over_http_ends(registry: Registry, sidecar: Sidecar) -> None:
    """A registry that sends everything that it believes to be http to itself."""
    registry.on(PAGE, redirects(registry.origin.replace("https:", "http:") + PAGE))
    assert "more than 5 times" in sidecar.get(PAGE).reason


@pytest.mark.parametrize(
    ("to", "advice"),
    [
        ("http://{host}/upload/", "its own address: tell the registry that clients reach it by https"),
        ("/upload/?x#y", "https://{host}/upload/: name that address in the Connector"),
        ("http://{host}/upload/there/", "https://{host}/upload/there/: name that address in the Connector"),
        ("http://other.example/upload/", "http://other.example/upload/, without TLS"),
        ("https://other.example/upload/", "https://other.example/upload/: name that address"),
        ("https://other.example:port/", "elsewhere: name that address"),
    ],
)
def test_an_upload_that_is_redirected_says_what_to_do(
    registry: Registry, sidecar: Sidecar, to: str, advice: str
) -> None:
    host = registry.origin.removeprefix("https://")
    registry.on("/upload/", redirects(to.format(host=host), 308))
    reply = sidecar.upload(b"x")
    assert reply.status == 502
    assert f"the registry redirects the upload to {advice.format(host=host)}" in reply.reason
    assert len(registry.requests) == 1


def test_an_upload_that_is_redirected_nowhere_says_so(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", lambda call: call.reply(308, b""))
    reply = sidecar.upload(b"x")
    assert "the registry redirects the upload to elsewhere: name that address" in reply.reason


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for the ports 80 and 443")
def test_port_80_stands_for_443_and_nobody_knocks_there(tmp_path: Path) -> None:
    def work() -> None:
        registry = Registry(server_context(), port=443)
        with socket.create_server(("127.0.0.1", 80)) as in_clear, registry:
            registry.on(PAGE, redirects("http://127.0.0.1/simple/foo"))
            registry.on(WHEEL, redirects("http://127.0.0.1:80/files/foo-1.0.zip"))
            registry.page("/simple/foo", b'<a href="http://127.0.0.1/a-1.zip">')
            registry.on("/files/foo-1.0.zip", lambda call: call.reply(200, b"wheel"))
            with running_sidecar(tmp_path, grant(registry, index_url="https://127.0.0.1/simple/")) as sidecar:
                assert sidecar.get(PAGE).body == b'<a href="/a-1.zip">'
                assert sidecar.get(WHEEL).body == b"wheel"
            in_clear.setblocking(False)
            with pytest.raises(BlockingIOError):
                in_clear.accept()
            assert {one.header("authorization") for one in registry.requests} == {AUTHORIZATION}

    run_apart(work)
