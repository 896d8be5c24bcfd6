"""Connecting to a name with several addresses, some of which swallow what knocks there."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from sidecar.contract.origins import Origin, origin_of
from sidecar.errors import UpstreamUnreachable
from sidecar.sockets import connections
from sidecar.sockets.connections import connect
from support.machine.ports import free_port

SECONDS = 1.0


@pytest.fixture
def port() -> Iterator[int]:
    """At 127.0.0.1 what knocks is dropped, for the backlog is full; at 127.0.0.2 somebody listens."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        full = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=0))
        stack.enter_context(socket.create_server(("127.0.0.2", port)))
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(full.getsockname(), 0.1))
        yield port


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECT_SECONDS", SECONDS)


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """`registry.example` has these addresses, and everything else its own."""
    look_up = socket.getaddrinfo

    def found(host: bytes, port: int, *arguments: int, **options: int) -> list[object]:
        hosts = addresses if host == b"registry.example" else [host]
        return [entry for one in hosts for entry in look_up(one, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_an_address_that_swallows_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    names(monkeypatch, "127.0.0.1", "127.0.0.2")
    with connect(origin_of(f"http://registry.example:{port}/"), None) as sock:
        assert sock.getpeername() == ("127.0.0.2", port)


def test_many_addresses_that_swallow_take_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    names(monkeypatch, *["127.0.0.1"] * 50)
    started = time.monotonic()
    with pytest.raises(UpstreamUnreachable, match="timed out"):
        connect(origin_of(f"http://registry.example:{port}/"), None)
    assert time.monotonic() - started < 20 * SECONDS


@pytest.mark.parametrize("host", ["a..b", ".", ".a", "x" * 64, f"{'x' * 64}.example"])
def test_a_name_that_no_host_can_have_is_not_looked_up(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(UpstreamUnreachable, match="no host can have this name"):
        connect(Origin("http", host, 80), None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    asked = []
    look_up = socket.getaddrinfo

    def counting(*arguments: object, **options: int) -> object:
        asked.append(arguments)
        return look_up(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect(Origin("http", host, server.getsockname()[1]), None).close()
    assert len(asked) == 1
