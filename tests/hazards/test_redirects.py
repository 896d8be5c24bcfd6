"""Redirects: loops, to plain http, into the node in any spelling, to what is no address: not followed."""

import os
import socket
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.machine.networks import run_apart
from support.servers.registry import Registry, Script
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST",
    "user:password@127.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::1]",
    "[::]",
]


def assert_nobody_knocked(listener: socket.socket) -> None:
    """Not even a connection: whether there is one would tell which of the node's ports are open."""
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_loopback_is_reached(registry: Registry, sidecar: Sidecar, host: str) -> None:
    kind, own = (socket.AF_INET6, "::1") if host in ("[::1]", "[::]") else (socket.AF_INET, "0.0.0.0")
    with socket.create_server((own, 0), family=kind) as listener:
        to = f"https://{host}:{listener.getsockname()[1]}/latest/meta-data"
        registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": to}))
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "address; not followed" in reply.reason  # and not that TLS failed, which it would as well
        assert_nobody_knocked(listener)


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("/files/a b.whl", "/files/a%20b.whl"),
        ("/x HTTP/1.1", "/x%20HTTP/1.1"),
        ("/x?y= HTTP/1.0", "/x?y=%20HTTP/1.0"),
        ("/files/a\tb.whl", "/files/a%09b.whl"),
        ("/files/\u00e9.whl", "/files/%E9.whl"),  # as its bytes are
        ('/"<>`{}|\\^', "/%22%3C%3E%60%7B%7D%7C%5C%5E"),
        ("/a%2Fb?c=%26&d=~#e", "/a%2Fb?c=%26&d=~"),
        ("/a%0d%0aX:y", "/a%0d%0aX:y"),
    ],
)
def test_a_redirect_is_followed_as_one_target_and_nothing_else(
    registry: Registry, sidecar: Sidecar, to: str, target: str
) -> None:
    registry.on("*", lambda call: call.reply(200, b"there"))
    registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": to}))
    assert sidecar.get(WHEEL).body == b"there"
    request = registry.requests[-1]
    assert request.target == target
    assert request.header("x") is None


def test_a_user_in_a_redirect_is_no_credential(registry: Registry, sidecar: Sidecar) -> None:
    to = registry.origin.replace("https://", "https://mallory:guess@") + "/there/foo-1.0.zip"
    registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": to}))
    registry.on("/there/foo-1.0.zip", lambda call: call.reply(200, b"there"))
    assert sidecar.get(WHEEL).body == b"there"
    request = registry.requests[-1]
    assert request.header("authorization") == AUTHORIZATION
    assert request.header("host") == registry.origin.removeprefix("https://")


def test_a_redirect_to_the_registrys_own_api_takes_no_credential_along(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": "/service/rest/v1/users"}))
    registry.on("/service/rest/v1/users", lambda call: call.reply(403, b"who are you"))
    assert sidecar.get(WHEEL).status == 403
    assert registry.requests[-1].target == "/service/rest/v1/users"
    assert registry.requests[-1].header("authorization") is None


@pytest.mark.parametrize("path", ["/simple/foo/", WHEEL])
def test_a_redirect_without_a_place_is_passed_on_as_an_answer(
    registry: Registry, sidecar: Sidecar, path: str
) -> None:
    registry.on(path, lambda call: call.reply(302, b"somewhere"))
    reply = sidecar.get(path)
    assert (reply.status, reply.body) == (302, b"somewhere")


def redirects(to: str, status: int = 302) -> Script:
    return lambda call: call.reply(status, b"moved", {"Location": to})


def test_an_undeclared_redirect_never_leads_into_the_node(
    registry: Registry, elsewhere: Registry, sidecar: Sidecar
) -> None:
    for name in ("127.0.0.1", "localhost"):
        registry.on(WHEEL, redirects(f"https://{name}:{elsewhere.port}/metadata"))
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "a loopback address; not followed" in reply.reason
    assert elsewhere.requests == []


def test_a_redirect_never_gives_up_tls(registry: Registry, tmp_path: Path) -> None:
    with Registry() as plain:
        registry.on(WHEEL, redirects(f"{plain.origin}/x"))
        for declared in ((), (plain.origin,)):
            with running_sidecar(tmp_path, grant(registry, file_origins=declared)) as sidecar:
                reply = sidecar.get(WHEEL)
                assert reply.status == 502
                assert "without TLS" in reply.reason
        assert plain.connections == 0


@pytest.mark.parametrize(
    "to", ["ftp://x/y", "file:///etc/passwd", "https://[broken", "https://:443/", "https://h:x/"]
)
def test_a_redirect_to_what_is_no_web_address_is_not_followed(
    registry: Registry, sidecar: Sidecar, to: str
) -> None:
    registry.on(WHEEL, redirects(to))
    assert sidecar.get(WHEEL).status == 502


def test_a_loop_of_redirects_ends(registry: Registry, sidecar: Sidecar) -> None:
    for path in (WHEEL, "/simple/foo/"):
        registry.on(path, redirects(path))
        reply = sidecar.get(path)
        assert reply.status == 502
        assert "more than 5 times" in reply.reason
        assert len(registry.seen(path)) == 6


def test_an_upload_is_never_redirected(registry: Registry, elsewhere: Registry, sidecar: Sidecar) -> None:
    registry.on("/upload/", redirects(f"{elsewhere.origin}/upload/?key=1", 307))
    reply = sidecar.upload(b"x" * 100)
    assert reply.status == 502
    assert f"redirects the upload to {elsewhere.origin}/upload/:" in reply.reason
    assert elsewhere.connections == 0


METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
]
"""AWS, Google, Azure, Oracle; ECS; Alibaba; Oracle again; Azure's wire server; AWS over IPv6"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for addresses of its own")
def test_no_address_of_a_metadata_service_is_reached(tmp_path: Path) -> None:
    """They answer here, in a network of its own: what refuses is the proxy."""

    def work() -> None:
        with Registry(server_context()) as registry, running_sidecar(tmp_path, grant(registry)) as sidecar:
            for address in [*METADATA, "127.0.0.2", "::1"]:
                host = f"[{address}]" if ":" in address else address
                kind = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.create_server((address, 0), family=kind) as listener:
                    for path in (WHEEL, WHEEL + ".metadata"):
                        to = f"https://{host}:{listener.getsockname()[1]}/latest/meta-data"
                        registry.on(path, redirects(to))
                        reply = sidecar.get(path)
                        assert reply.status == 502, address
                        assert "; not followed" in reply.reason, address
                        assert_nobody_knocked(listener)

    addresses = [f"{one}/128" if ":" in one else f"{one}/32" for one in METADATA]
    run_apart(work, addresses=addresses)
