"""Hop-by-hop headers, cookies, challenges and forwarding headers end at the proxy, in both directions."""

from registry import Registry
from sidecars import Sidecar

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
        sidecar.ask(method, target, headers, body=b"x" if method == "POST" else None)
        request = registry.requests[-1]
        assert {name.lower() for name, _ in request.headers} <= {
            "host",
            "accept",
            "user-agent",
            "accept-encoding",
            "authorization",
            "via",
            "content-length",
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
        assert reply.header("x-harmless") == "kept"


def test_trailers_end_at_the_proxy(registry: Registry, sidecar: Sidecar) -> None:
    def script(call):  # type: ignore[no-untyped-def]
        call.start(200, {"Transfer-Encoding": "chunked", "Trailer": "Set-Cookie"})
        call.send_chunk(b"wheel")
        call.send(b"0\r\nSet-Cookie: a=b\r\n\r\n")

    registry.on(WHEEL, script)
    raw = sidecar.exchange(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert raw.endswith(b"\r\n\r\n5\r\nwheel\r\n0\r\n\r\n")
    assert b"ookie" not in raw
