"""A registry that cannot be reached: each failure has its sentence and limit, and hurts no other request."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sidecar.contract.environment import Listener
from support.certificates.authority import server_context
from support.machine.networks import run_apart
from support.machine.ports import closed_port, free_port
from support.machine.times import soon
from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_a_registry_that_is_not_there_is_502_with_its_cause(tmp_path: Path) -> None:
    with Registry(server_context()) as registry:
        port = closed_port()
        nowhere = grant(registry, index_url=f"https://127.0.0.1:{port}/simple/")
        unknown = grant(registry, index_url="https://no-such-host.invalid/simple/")
    with running_sidecar(tmp_path, nowhere) as sidecar:
        assert f"cannot connect to https://127.0.0.1:{port}: connection refused" in sidecar.get(WHEEL).reason
    with running_sidecar(tmp_path, unknown) as sidecar:
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "cannot connect to https://no-such-host.invalid:" in reply.reason


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word: TLS waits for its hello."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        yield f"https://127.0.0.1:{sock.getsockname()[1]}"


@contextmanager
def blackhole() -> Iterator[str]:
    """A listener whose backlog is full: the kernel drops what knocks, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock, contextlib.ExitStack() as stack:
        address = sock.getsockname()
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(address, 0.1))
        yield f"https://127.0.0.1:{address[1]}"


NOWHERE = {"a silent server": silent, "a blackhole": blackhole}


@contextmanager
def two_connectors(folder: Path, origin: str) -> Iterator[tuple[Sidecar, int]]:
    """The sidecar's port leads to a registry that works, the other one to `origin`."""
    with Registry(server_context()) as registry:
        registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
        listeners = (Listener("team/works", free_port()), Listener("team/hangs", free_port()))
        documents = [grant(registry), grant(registry, index_url=f"{origin}/simple/")]
        text = "\n".join(json.dumps(one.document()) for one in documents)
        with running_sidecar(folder, text, listeners=listeners) as sidecar:
            yield sidecar, listeners[1].port


@contextmanager
def under_way(port: int, count: int) -> Iterator[None]:
    """So many requests wait there, and have been read."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))
            sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield


def assert_it_holds_up_nobody(folder: Path, origin: str) -> None:
    with two_connectors(folder, origin) as (sidecar, hanging), under_way(hanging, 30):
        for _ in range(20):
            with soon():
                assert sidecar.get(WHEEL).body == b"wheel"
        with soon():
            assert sidecar.stop() == 0


@pytest.mark.parametrize("nowhere", NOWHERE.values(), ids=NOWHERE.keys())
def test_a_registry_that_hangs_holds_up_nobody_and_not_the_end(
    tmp_path: Path, nowhere: Callable[[], AbstractContextManager[str]]
) -> None:
    with nowhere() as origin:
        assert_it_holds_up_nobody(tmp_path, origin)


def test_a_registry_that_hangs_is_502_with_its_cause_in_time(tmp_path: Path) -> None:
    """pip gives up on silence after 30 s, and would read no sentence."""

    def ask(nowhere: Callable[[], AbstractContextManager[str]]) -> None:
        folder = tmp_path / nowhere.__name__
        with nowhere() as origin, Registry() as registry:
            document = grant(registry, index_url=f"{origin}/simple/")
            with running_sidecar(folder, document) as sidecar, sidecar.connect() as sock:
                sock.settimeout(28)
                sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert b"timed out" in sock.recv(4096).partition(b"\r\n")[0]

    with ThreadPoolExecutor() as pool:
        list(pool.map(ask, NOWHERE.values()))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a resolver of its own")
def test_a_resolver_that_hangs_holds_up_nobody_and_not_the_end(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")

    def work() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 53))
            assert_it_holds_up_nobody(tmp_path, "https://registry.example")
            deaf.settimeout(PATIENCE_SECONDS)
            assert b"registry" in deaf.recv(512)  # it was asked

    run_apart(work, resolver=resolver)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a resolver of its own")
def test_a_resolver_that_never_answers_is_502_with_its_cause(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def work() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
            two_connectors(tmp_path, "https://registry.example") as (sidecar, hanging),
        ):
            deaf.bind(("127.0.0.1", 53))
            sidecar.port = hanging
            reply = sidecar.get(WHEEL)
            assert reply.status == 502
            assert "cannot connect to https://registry.example" in reply.reason

    run_apart(work, resolver=resolver)
