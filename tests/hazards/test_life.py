"""How the process begins and ends."""

import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.contract.environment import Environment, Listener
from sidecar.contract.words import GRANTS_PATH
from support.machine.ports import closed_port, free_port
from support.machine.times import assert_once_below
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.forms import BEGIN, UPLOAD
from support.sidecars.grant_servers import Broker
from support.sidecars.running import CONNECTOR, Sidecar, grant, running_sidecar, sidecar_of_broker, start

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def ended(variables: dict[str, str]) -> tuple[int, str]:
    process = start(variables)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_within_a_second(registry: Registry, tmp_path: Path, number: int) -> None:
    def measure() -> float:
        with running_sidecar(tmp_path, grant(registry)) as sidecar:
            return seconds_to_end(sidecar, number)

    assert_once_below(1, measure)


def seconds_to_end(sidecar: Sidecar, number: int = signal.SIGTERM) -> float:
    started = time.monotonic()
    assert sidecar.stop(number) == 0
    seconds = time.monotonic() - started
    sidecar.wait_line(message="stopped")
    return seconds


def test_a_signal_ends_it_within_a_second_whatever_is_under_way(registry: Registry, tmp_path: Path) -> None:
    def pours(call: Call) -> None:
        call.start(200, {"Content-Length": str(1 << 40)})
        while True:
            call.send(b"x" * (1 << 16))

    registry.on(WHEEL, pours)
    registry.on("/simple/foo/", lambda call: call.wait_gone() and None)
    registry.on("/upload/", lambda call: call.read_body())

    def measure() -> float:
        registry.requests.clear()
        with running_sidecar(tmp_path, grant(registry)) as sidecar, all_under_way(registry, sidecar):
            return seconds_to_end(sidecar)

    assert_once_below(1, measure)


@contextmanager
def all_under_way(registry: Registry, sidecar: Sidecar) -> Iterator[None]:
    """A download, a page and an upload, and a connection that says nothing."""
    socks = [sidecar.connect() for _ in range(4)]
    socks[0].sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    socks[1].sendall(b"GET /simple/foo/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    socks[2].sendall(UPLOAD + b"Content-Length: 1000000\r\n\r\n" + BEGIN)
    reader = threading.Thread(target=lambda: [None for _ in iter(lambda: _recv(socks[0]), b"")])
    reader.start()
    for path in (WHEEL, "/simple/foo/", "/upload/"):
        registry.wait_for(path)
    yield
    reader.join()
    for sock in socks:
        sock.close()


def _recv(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except OSError:
        return b""


def test_the_end_of_its_parent_is_its_end(registry: Registry, tmp_path: Path) -> None:
    reading, lifeline = os.pipe()
    os.write(lifeline, json.dumps(grant(registry).document()).encode() + b"\n")
    environment = Environment((Listener(CONNECTOR, free_port()),), {}, str(tmp_path), grant_fd=reading)
    process = start(environment.variables(), (reading,))
    os.close(reading)
    assert process.stderr
    assert "listening" in process.stderr.readline()
    os.close(lifeline)
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stderr.close()


def test_a_port_that_is_taken_is_exit_2_and_a_sentence(registry: Registry, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = Environment(
            (Listener(CONNECTOR, port),), {}, str(tmp_path), broker_url=registry.origin, broker_ca="x"
        )
        code, errors = ended(environment.variables())
    assert code == 2
    assert f"port {port} on 127.0.0.1, for connector team/pypi, cannot be taken" in errors
    assert "connectors.alauda.io/port" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SIDECAR_LISTEN": "x", "SIDECAR_LOG_LEVEL": "y"}, "SIDECAR_LISTEN must read"),
        ({"SIDECAR_BROKER_URL": "https://"}, "no http or https URL with a host"),
        ({"SIDECAR_CONFIG_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        ({"SIDECAR_FILES": '{"a\\u0000b": ""}'}, "null"),
        ({"SIDECAR_FILES": '{"a": "\\ud800"}'}, "surrogates"),
        ({"SIDECAR_GRANT_FD": "77"}, "Bad file descriptor"),
    ],
)
def test_what_it_cannot_start_with_is_exit_2_and_a_sentence(
    tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    environment = Environment(
        (Listener(CONNECTOR, free_port()),), {}, str(tmp_path), broker_url="https://b", broker_ca="x"
    )
    code, errors = ended({**environment.variables(), **changes})
    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_files_lie_there_before_a_socket_listens(registry: Registry, tmp_path: Path) -> None:
    files = {"pip.conf": "[global]\n", ".pypirc": "é"}
    with running_sidecar(tmp_path, grant(registry), files=files):
        for name, text in files.items():
            path = tmp_path / "config" / name
            assert path.read_text("utf-8") == text
            assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_several_connectors_are_kept_apart(registry: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"first"))
    elsewhere.on("*", lambda call: call.reply(200, b"second"))
    listeners = (Listener("team/a", free_port()), Listener("team/b", free_port()))
    documents = [grant(registry), grant(elsewhere, credential=None)]
    text = "\n".join(json.dumps(one.document()) for one in documents)
    with running_sidecar(tmp_path, text, listeners=listeners) as sidecar:
        assert sidecar.get(WHEEL).body == b"first"
        sidecar.port = listeners[1].port
        assert sidecar.get(WHEEL).body == b"second"
    assert elsewhere.requests[0].header("authorization") is None


def test_it_needs_no_network_and_no_broker_to_listen(tmp_path: Path) -> None:
    nowhere = f"https://127.0.0.1:{closed_port()}"
    environment = Environment(
        (Listener(CONNECTOR, free_port()),), {}, str(tmp_path), broker_url=nowhere, broker_ca="x"
    )
    process = start(environment.variables())
    assert process.stderr
    assert "listening" in process.stderr.readline()
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stderr.close()


def test_a_signal_ends_it_within_a_second_while_the_broker_stalls(registry: Registry, tmp_path: Path) -> None:
    with Broker(grant(registry)) as broker:
        broker.on(GRANTS_PATH, lambda call: call.wait_gone() and None)

        def measure() -> float:
            broker.requests.clear()
            with sidecar_of_broker(tmp_path, broker) as sidecar, sidecar.connect() as sock:
                sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                broker.wait_for(GRANTS_PATH)
                return seconds_to_end(sidecar)

        assert_once_below(1, measure)
