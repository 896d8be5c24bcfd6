"""The credential reaches only the registry's own origin, over TLS."""

from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.machine.addresses import own_address
from support.servers.registry import Registry, Script
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def redirects(to: str, status: int = 302) -> Script:
    return lambda call: call.reply(status, b"moved", {"Location": to})


def test_the_registry_gets_the_credential_for_pages_files_and_uploads(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    assert sidecar.get("/simple/foo/").status == 200
    assert sidecar.get(WHEEL).status == 200
    assert sidecar.upload(b"x").status == 200
    assert [one.header("authorization") for one in registry.requests] == [AUTHORIZATION] * 3


def test_the_clients_own_credential_is_not_passed_on(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    with running_sidecar(tmp_path, grant(registry, credential=None)) as sidecar:
        sidecar.get(WHEEL, Authorization="Basic of-the-client", Cookie="a=b")
    (request,) = registry.requests
    assert request.header("authorization") is None
    assert request.header("cookie") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_declared_origin_is_followed_without_the_credential(
    registry: Registry, elsewhere: Registry, tmp_path: Path, status: int
) -> None:
    registry.on(WHEEL, redirects(f"{elsewhere.origin}/signed?key=1", status))
    elsewhere.on("/signed", lambda call: call.reply(206, b"wheel", {"Content-Range": "bytes 0-4/9"}))
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        reply = sidecar.get(WHEEL, Range="bytes=0-4", Authorization="x", Cookie="y")
    assert (reply.status, reply.body, reply.header("location")) == (206, b"wheel", None)
    (request,) = elsewhere.requests
    assert request.target == "/signed?key=1"
    assert request.header("host") == elsewhere.origin.removeprefix("https://")
    assert request.header("range") == "bytes=0-4"
    assert request.header("authorization") is None
    assert request.header("cookie") is None


def test_a_file_of_a_declared_origin_is_fetched_without_the_credential(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    elsewhere.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    host = elsewhere.origin.removeprefix("https://")
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        assert sidecar.get(f"/_o/{host}{WHEEL}").body == b"wheel"
    assert elsewhere.requests[0].header("authorization") is None
    assert registry.requests == []


def test_a_401_of_a_declared_origin_is_no_401_and_does_not_cost_the_credential(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    elsewhere.on("*", lambda call: call.reply(401, b"no", {"WWW-Authenticate": "Basic"}))
    registry.on("*", lambda call: call.reply(200, b"x"))
    host = elsewhere.origin.removeprefix("https://")
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        reply = sidecar.get(f"/_o/{host}{WHEEL}")
        assert (reply.status, reply.header("www-authenticate")) == (403, None)
        assert sidecar.get(WHEEL).status == 200


def test_a_file_may_be_redirected_to_an_origin_nobody_declared_without_the_credential(
    registry: Registry, tmp_path: Path
) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    with Registry(server_context((address,)), address) as storage:
        storage.on("/blob", lambda call: call.reply(200, b"wheel"))
        registry.on(WHEEL, redirects(f"{storage.origin}/blob"))
        with running_sidecar(tmp_path, grant(registry)) as sidecar:
            assert sidecar.get(WHEEL).body == b"wheel"
        assert storage.requests[0].header("authorization") is None


def test_an_index_that_leads_to_an_undeclared_origin_is_404(
    registry: Registry, elsewhere: Registry, sidecar: Sidecar
) -> None:
    registry.on("/simple/foo/", redirects(f"{elsewhere.origin}/simple/foo/"))
    reply = sidecar.get("/simple/foo/")
    assert reply.status == 404
    assert "does not declare" in reply.reason
    assert elsewhere.connections == 0


def test_an_index_that_leads_to_a_declared_origin_is_read_there(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    registry.on("/simple/foo/", redirects(f"{elsewhere.origin}/pypi/foo/"))
    elsewhere.page("/pypi/foo/", b'<a href="../../foo-1.0.tar.gz">')
    host = elsewhere.origin.removeprefix("https://")
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        reply = sidecar.get("/simple/foo/")
    assert reply.body == f'<a href="/_o/{host}/foo-1.0.tar.gz">'.encode()
    assert elsewhere.requests[0].header("authorization") is None


def test_a_redirect_within_the_registry_keeps_the_credential(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/simple/Foo/", redirects("../foo/", 301))
    registry.page("/simple/foo/", b'<a href="foo-1.0.tar.gz">')
    reply = sidecar.get("/simple/Foo/")
    assert reply.body == b'<a href="/simple/foo/foo-1.0.tar.gz">'
    assert [one.header("authorization") for one in registry.requests] == [AUTHORIZATION] * 2


def test_the_registry_is_asked_as_the_registry_and_not_as_the_proxy(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    sidecar.get(WHEEL)
    assert registry.requests[0].header("host") == registry.origin.removeprefix("https://")
