"""Names and pages that are not a package client's: another Host, a browser's Origin and Sec-Fetch headers."""

import pytest
from registry import Registry
from sidecars import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _file(registry: Registry) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:28100", "localhost", "LocalHost:1", "[::1]", "[::1]:28100"]
)
def test_names_of_the_loopback_interface_are_served(sidecar: Sidecar, host: str) -> None:
    request = f"GET {WHEEL} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert sidecar.exchange(request.encode()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "fields",
    [
        "Host: evil.example",
        "Host: evil.example:28100",
        "Host: 127.0.0.1.evil.example",
        "Host: localhost.evil.example:80",
        "Host: 127.0.0.2",
        "Host: 0.0.0.0",
        "Host: [::2]",
        "Host: user@evil.example",
        "Host:",
        "X: y",
        "Host: localhost\r\nHost: evil.example",
        "Host: localhost\r\nHost: localhost",
    ],
)
def test_another_hosts_name_is_refused(registry: Registry, sidecar: Sidecar, fields: str) -> None:
    """DNS rebinding: a web page's own name, resolved to 127.0.0.1."""
    raw = sidecar.exchange(f"GET {WHEEL} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n".encode())
    assert raw.startswith(b"HTTP/1.1 421 ")
    assert registry.connections == 0


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_web_page_is_refused(registry: Registry, sidecar: Sidecar, header: str, method: str) -> None:
    reply = sidecar.ask(method, "/" if method == "POST" else WHEEL, {header: "null"}, b"")
    assert reply.status == 403
    assert "web pages" in reply.reason
    assert registry.connections == 0
