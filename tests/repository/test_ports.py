"""Ports of tests: nobody else gets what a test was given. A port that is merely free now is no test's."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.contract.environment import Listener
from sidecar.exchange.server import PortTaken, listen
from support.checkout import TESTS
from support.machine.networks import run_apart
from support.machine.ports import closed_port, free_port, held_until_the_end
from support.sidecars.running import CONNECTOR

RANGE = range(40_000, 40_064)
HELD = 8


def ports_left(address: str, *, may_share: bool) -> Iterator[int]:
    """Every port that the kernel still gives to who asks for any."""
    with ExitStack() as stack:
        while True:
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, may_share)
            try:
                sock.bind((address, 0))
            except OSError:
                return
            yield int(sock.getsockname()[1])


def ports_left_to_clients() -> Iterator[int]:
    """Every port that a connection to one server can still have."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", RANGE[-1] + 1)))
        while True:
            sock = stack.enter_context(socket.socket())
            try:
                sock.connect(server.getsockname())
            except OSError:
                return
            yield int(sock.getsockname()[1])


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a network of its own")
@pytest.mark.parametrize("hold", [free_port, closed_port])
def test_the_kernel_gives_a_held_port_to_nobody_even_when_it_has_no_other(hold: Callable[[], int]) -> None:
    def work() -> None:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{RANGE[0]} {RANGE[-1]}")
        with held_until_the_end():
            held = {hold() for _ in range(HELD)}
            others = set(RANGE) - held
            for address in ("127.0.0.1", "127.0.0.2", ""):
                for may_share in (True, False):
                    assert set(ports_left(address, may_share=may_share)) == others
            assert set(ports_left_to_clients()) == others
        assert set(ports_left("127.0.0.1", may_share=True)) == set(RANGE)

    run_apart(work)


@pytest.mark.parametrize("hold", [free_port, closed_port])
def test_connections_to_a_held_port_are_refused(hold: Callable[[], int]) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", hold()))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_the_server_that_is_told_a_free_port_listens_there_and_again(address: str) -> None:
    port, family = free_port(), socket.AF_INET6 if address == "::" else socket.AF_INET
    for _ in range(2):
        with (
            socket.create_server((address, port), family=family, dualstack_ipv6=family == socket.AF_INET6),
            socket.create_connection(("127.0.0.1", port)),
        ):
            pass


def test_nobody_can_listen_on_a_closed_port() -> None:
    port = closed_port()
    with pytest.raises(PortTaken):
        listen(Listener(CONNECTOR, port))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("", port))


# A port of a socket, or of a server, that is closed before it is used; also the program's own way for `run`.
MERELY_FREE = re.compile(
    r"def _?free_port\b|loopback import .*\bfree_port\b"
    r"|^( *)with [^\n]*, 0\)\)[^\n]* as (\w+):\n"
    r"\1    (?:return [^\n]*|\w+(?:: int)? = (?:int\()?)\b\2\.getsockname\(\)[^\n]*\n(?!\1    )"
    r"|^ *with (?:\w+\.)*[A-Z]\w+\([^\n]*\) as \w+:\n +pass\b",
    re.MULTILINE,
)


def merely_free(text: str) -> list[str]:
    return [found[0].strip() for found in MERELY_FREE.finditer(text)]


def test_a_port_that_is_merely_free_is_found() -> None:
    sock = "socket.create_server(('127.0.0.1', 0))"
    assert merely_free("def _free_port() -> int:\n")
    assert merely_free("from webhook.command.loopback import free_port, is_taken\n")
    assert merely_free(f"with {sock} as one:\n    port = one.getsockname()[1]\nuse(port)\n")
    assert merely_free("with Registry() as gone:\n    pass\n")
    assert merely_free(f"    with {sock} as one:\n        return int(one.getsockname()[1])\n\n")
    assert not merely_free(f"with {sock} as one:\n    port = one.getsockname()[1]\n    use(port)\n")


def test_no_test_takes_a_port_that_is_merely_free() -> None:
    texts = {path.relative_to(TESTS): path.read_text() for path in TESTS.rglob("*.py")}
    own = {Path("support/machine/ports.py"), Path("repository/test_ports.py")}
    assert {
        path: found for path, text in texts.items() if path not in own and (found := merely_free(text))
    } == {}
