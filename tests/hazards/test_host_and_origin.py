"""Names and pages that are not a package client's: another Host, a browser's Origin and Sec-Fetch headers."""

import pytest

from support.servers.registry import Registry
from support.sidecars.running import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _file(registry: Registry) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:PORT", "localhost", "localhost:PORT", "LocalHost:PORT", "127.0.0.1:PORT \t"],
)
def test_this_listener_is_served_by_each_of_its_names(sidecar: Sidecar, host: str) -> None:
    assert ask(sidecar, f"Host: {host}").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "fields",
    [
        "Host: evil.example",
        "Host: evil.example:PORT",
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
        "Host: 127.0.0.1:PORT\r\nHost: evil.example",
        # our name in front or behind, and another name for a server that reads the value differently
        "Host: 127.0.0.1:PORT@evil.example",
        "Host: evil.example@127.0.0.1:PORT",
        "Host: user:password@127.0.0.1:PORT",
        "Host: 127.0.0.1:PORT, evil.example",
        "Host: 127.0.0.1:PORT,127.0.0.1:PORT",
        "Host: 127.0.0.1:PORT evil.example",
        "Host: 127.0.0.1:PORT/evil.example",
        "Host: 127.0.0.1:PORT?evil.example",
        "Host: 127.0.0.1:PORT#evil.example",
        "Host: 127.0.0.1:PORT\\evil.example",
        "Host: 127.0.0.1:PORT:PORT",
        "Host: http://127.0.0.1:PORT",
        # other spellings of the same address: no client of ours writes them
        "Host: 127.0.0.1.:PORT",
        "Host: localhost.:PORT",
        "Host: 127.1:PORT",
        "Host: 0x7f.0.0.1:PORT",
        "Host: 2130706433:PORT",
        "Host: 127.0.0.01:PORT",
        "Host: [::1]",
        "Host: [::1]:PORT",
        "Host: [::ffff:127.0.0.1]:PORT",
        "Host: [127.0.0.1]:PORT",
        # another listener's port, and spellings of ours
        "Host: 127.0.0.1:1",
        "Host: 127.0.0.1:80",
        "Host: LocalHost:1",
        "Host: 127.0.0.1:",
        "Host: 127.0.0.1:0PORT",
        "Host: 127.0.0.1:+PORT",
        "Host: 127.0.0.1:-PORT",
        "Host: 127.0.0.1: PORT",
        "Host: 127.0.0.1 :PORT",
        "Host: 127.0.0.1:PORT0",
        "Host: 127.0.0.1:x",
    ],
)
def test_another_hosts_name_is_refused(registry: Registry, sidecar: Sidecar, fields: str) -> None:
    """DNS rebinding: a web page's own name, resolved to 127.0.0.1. And values with two readings."""
    assert ask(sidecar, fields).startswith(b"HTTP/1.1 421 ")
    assert registry.connections == 0


@pytest.mark.parametrize("authority", ["evil.example", "127.0.0.1:PORT", "127.0.0.1:PORT@evil.example"])
def test_a_target_names_no_host(registry: Registry, sidecar: Sidecar, authority: str) -> None:
    """RFC 9112 §3.2.2 lets it overrule Host; only a client that takes us for its HTTP proxy sends it."""
    raw = ask(sidecar, "Host: 127.0.0.1:PORT", f"http://{authority}{WHEEL}")
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert registry.connections == 0


def ask(sidecar: Sidecar, fields: str, target: str = WHEEL) -> bytes:
    text = f"GET {target} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n"
    return sidecar.exchange(text.replace("PORT", str(sidecar.port)).encode())


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_web_page_is_refused(registry: Registry, sidecar: Sidecar, header: str, method: str) -> None:
    reply = sidecar.ask(method, "/" if method == "POST" else WHEEL, {header: "null"}, b"")
    assert reply.status == 403
    assert "web pages" in reply.reason
    assert registry.connections == 0
