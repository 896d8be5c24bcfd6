"""Hop-by-hop headers, cookies, challenges and forwarding headers end at the proxy, in both directions."""

import pytest

from support.servers.registry import Call, Registry
from support.sidecars.forms import FORM
from support.sidecars.running import AUTHORIZATION, Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_what_is_the_clients_own_business_does_not_reach_the_registry(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    headers = {
        "Accept": "application/vnd.pypi.simple.v1+json",
        "User-Agent": "pip/26",
        "Authorization": "Basic mine",
        "Proxy-Authorization": "Basic mine",
        "Cookie": "session=mine",
        "Connection": "keep-alive, X-Nominated, If-None-Match",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Upgrade": "h2c",
        "X-Nominated": "mine",
        "If-None-Match": "mine",
        "X-Forwarded-For": "mine",
        "Forwarded": "for=mine",
        "PRIVATE-TOKEN": "mine",
        "X-HTTP-Method-Override": "DELETE",
        "Via": "mine",
    }
    for method, target in (("GET", WHEEL), ("GET", "/simple/foo/"), ("POST", "/")):
        sidecar.upload(b"x", headers) if method == "POST" else sidecar.get(target, **headers)
        request = registry.requests[-1]
        assert {name.lower() for name, _ in request.headers} <= {
            "host",
            "accept",
            "user-agent",
            "accept-encoding",
            "authorization",
            "via",
            "content-length",
            "content-type",
        }
        assert "mine" not in str(request.headers)
        assert request.header("user-agent") == "pip/26"


def test_what_is_the_registrys_own_business_does_not_reach_the_client(
    registry: Registry, sidecar: Sidecar
) -> None:
    theirs = [
        ("Content-Type", "text/html"),
        ("ETag", '"a"'),
        ("Set-Cookie", "session=theirs"),
        ("Set-Cookie", "other=theirs"),
        ("WWW-Authenticate", "Basic realm=theirs"),
        ("Proxy-Authenticate", "Basic realm=theirs"),
        ("Connection", "keep-alive, X-Nominated"),
        ("Keep-Alive", "timeout=5"),
        ("X-Nominated", "theirs"),
        ("Location", "https://theirs/"),
        ("Refresh", "0;url=theirs"),
        ("Strict-Transport-Security", "max-age=1"),
        ("Alt-Svc", "theirs"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Harmless", "kept"),
    ]
    for path, status in ((WHEEL, 200), ("/simple/foo/", 200), (WHEEL, 404), ("/simple/foo/", 500)):
        registry.on(path, lambda call, status=status: call.reply(status, b"x", theirs))
        reply = sidecar.get(path)
        assert reply.status == status
        assert {name for name, _ in reply.headers} <= {
            "content-type",
            "etag",
            "x-harmless",
            "content-length",
            "transfer-encoding",
        }
        assert reply.header("x-harmless") == ("kept" if status == 200 else None)


def test_trailers_end_at_the_proxy(registry: Registry, sidecar: Sidecar) -> None:
    def script(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Trailer": "Set-Cookie"})
        call.send_chunk(b"wheel")
        call.send(b"0\r\nSet-Cookie: a=b\r\n\r\n")

    registry.on(WHEEL, script)
    raw = sidecar.exchange(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert raw.endswith(b"\r\n\r\n5\r\nwheel\r\n0\r\n\r\n")
    assert b"ookie" not in raw


@pytest.mark.parametrize(
    "nominated",
    ["Authorization", "Host", "Accept", "authorization, host", "Via", "close, Authorization", "Content-Type"],
)
def test_a_client_cannot_have_what_the_proxy_adds_taken_away(
    registry: Registry, sidecar: Sidecar, nominated: str
) -> None:
    """A name inside Connection ends the client's own field of that name, never one of ours."""
    registry.on("*", lambda call: call.reply(200, b"x"))
    for method, target in (("GET", WHEEL), ("GET", "/simple/foo/"), ("POST", "/")):
        connection = {"Connection": nominated}
        sidecar.upload(b"x", connection) if method == "POST" else sidecar.get(target, **connection)
        request = registry.requests[-1]
        assert request.header("authorization") == AUTHORIZATION
        assert request.header("host") == registry.origin.removeprefix("https://")
        assert request.header("via") == "1.1 pypi-connector"
        assert request.header("connection") is None


@pytest.mark.parametrize("nominated", ["Content-Length", "Transfer-Encoding", "Content-Type, content-length"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["fixed", "chunked"])
def test_a_registry_cannot_have_the_framing_taken_away(
    registry: Registry, sidecar: Sidecar, nominated: str, is_chunked: bool
) -> None:
    def script(call: Call) -> None:
        framing = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": "5"}
        call.start(200, {**framing, "Connection": nominated})
        call.send_chunk(b"wheel") if is_chunked else call.send(b"wheel")
        call.send(b"0\r\n\r\n" if is_chunked else b"")
        call.keeps = True

    registry.on(WHEEL, script)
    for _ in range(2):
        reply = sidecar.get(WHEEL)
        assert (reply.status, reply.body) == (200, b"wheel")
        assert reply.header("transfer-encoding" if is_chunked else "content-length")


def test_a_client_that_nominates_the_length_of_its_upload_does_not_lose_it(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("/upload/", lambda call: call.reply(200, b"stored"))
    assert sidecar.upload(b"hello", {"Connection": "Content-Length"}).body == b"stored"
    assert bytes(registry.requests[0].body) == FORM


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
def test_a_client_gets_no_other_protocol(registry: Registry, sidecar: Sidecar, upgrade: str) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    reply = sidecar.get(
        WHEEL, Connection="Upgrade, HTTP2-Settings", Upgrade=upgrade, HTTP2_Settings="AAMAAABk"
    )
    assert (reply.status, reply.body) == (200, b"wheel")
    assert {name.lower() for name, _ in registry.requests[0].headers}.isdisjoint(
        {"upgrade", "http2-settings"}
    )
