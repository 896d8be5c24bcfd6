"""Targets that try to leave the index, the files and the upload: refused here, never seen by the registry."""

import pytest

from support.servers.registry import Registry
from support.sidecars.running import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_nothing_but_pages_and_files_reaches_the_registry(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, b"secrets"))
    for method, target in [
        ("GET", "/service/rest/v1/users"),
        ("GET", "/api/v4/user"),
        ("GET", "/+api"),
        ("GET", "/simple/../api"),
        ("GET", "//evil.example/foo-1.0.tar.gz"),
        ("GET", "http://evil.example/foo-1.0.tar.gz"),
        ("PUT", WHEEL),
        ("DELETE", WHEEL),
        ("PATCH", "/simple/foo/"),
        ("OPTIONS", "*"),
        ("CONNECT", "registry:443"),
    ]:
        assert sidecar.ask(method, target).status in (400, 404, 405, 421), target
    assert registry.connections == 0


REST = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
FILE = "foo-1.0-py3-none-any.whl"
TRICKS = {
    "dot segments": f"/simple/../api/{FILE}",
    "a dot segment": f"/simple/./{FILE}",
    "dot segments at the end": "/simple/foo/..",
    "an encoded dot": f"/simple/%2e%2e/api/{FILE}",
    "an encoded dot in upper case": f"/simple/%2E%2E/api/{FILE}",
    "half of the dots encoded": f"/simple/.%2e/api/{FILE}",
    "dots encoded twice": f"/simple/%252e%252e/api/{FILE}",
    "an encoded slash": f"/simple%2f..%2fapi/{FILE}",
    "an encoded slash before a file": f"/api%2f{FILE}",
    "an encoded backslash": f"/simple/..%5capi/{FILE}",
    "a backslash": f"/simple/..\\api/{FILE}",
    "dots before a parameter": f"/simple/..;/api/{FILE}",
    "an encoded parameter": f"/api%3b/{FILE}",
    "an encoded question mark": f"/api/users%3f/{FILE}",
    "an encoded number sign": f"/api/users%23/{FILE}",
    "a fragment": f"/api/users#/{FILE}",
    "an empty segment": f"/files//{FILE}",
    "empty segments first": f"//evil.example/{FILE}",
    "a NUL": f"/api/users%00/{FILE}",
    "a line feed": f"/api/users%0a/{FILE}",
    "a carriage return": f"/api/users%0d%0aX:%20y/{FILE}",
    "a delete": f"/api/users%7f/{FILE}",
    "an overlong dot": f"/simple/%c0%ae%c0%ae/api/{FILE}",
    "an overlong dot of three octets": f"/simple/%e0%80%ae%e0%80%ae/api/{FILE}",
    "an overlong slash": f"/api%c0%af{FILE}",
    "an octet that is no UTF-8": f"/api/%ff/{FILE}",
    "half of a surrogate pair": f"/api/%ed%a0%80/{FILE}",
    "a literal carriage return": f"/api/{FILE}\r",
    "an incomplete escape": f"/api/%2/{FILE}",
    "an escape of no number": f"/api/%zz/{FILE}",
    "absolute-form": f"http://evil.example/{FILE}",
    "absolute-form of ourselves": f"http://127.0.0.1/{FILE}",
    "absolute-form of another scheme": f"ftp://evil.example/{FILE}",
    "authority-form": "registry.example:443",
    "asterisk-form": "*",
    "no slash first": FILE,
    "an origin that nobody declared": f"/_o/evil.example/{FILE}",
    "an origin with a user": f"/_o/user@evil.example/{FILE}",
    "an origin without a file": "/_o/",
    "too long": f"/{'a' * 5000}/{FILE}",
    "too long a query": f"/{FILE}?{'a' * 5000}",
    "a quote in the query": f'/{FILE}?"',
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("target", TRICKS.values(), ids=TRICKS.keys())
def test_a_target_that_servers_read_in_more_than_one_way_goes_nowhere(
    registry: Registry, sidecar: Sidecar, method: str, target: str
) -> None:
    """Sent as raw bytes, for clients mend some of them before they send.

    If no server takes the target for a climb, the sidecar reads the project's page, which might list it.
    """
    registry.on("*", lambda call: call.reply(200, b"secrets"))
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    raw = sidecar.exchange(head.encode() + b"Content-Length: 0\r\n" * (method == "POST") + b"\r\n")
    assert raw[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 405", b"HTTP/1.1 414"), raw
    assert [request.target for request in registry.requests] in ([], ["/simple/foo/"])


@pytest.mark.parametrize(
    "method", ["CONNECT", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "PURGE"]
)
@pytest.mark.parametrize("target", [WHEEL, "/simple/foo/", "/", "registry.example:443", "*"])
def test_a_method_that_no_package_client_uses_goes_nowhere(
    registry: Registry, sidecar: Sidecar, method: str, target: str
) -> None:
    raw = sidecar.exchange(
        f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert raw[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 405"), raw
    assert registry.connections == 0


@pytest.mark.parametrize(
    "target", ["/simple/%66oo/", "/files/%66oo-1.0.tar.gz", "/f/foo-1.0.tar.gz?a=%2f..&b=//"]
)
def test_what_has_one_meaning_is_passed_byte_for_byte(
    registry: Registry, sidecar: Sidecar, target: str
) -> None:
    """The detector of this file can say yes."""
    registry.on("*", lambda call: call.reply(200, b"served"))
    raw = sidecar.exchange(f"GET {target} {REST}".encode())
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert registry.requests[0].target == target
