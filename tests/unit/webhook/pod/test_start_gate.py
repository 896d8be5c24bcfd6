"""The start gate, run as the kubelet runs it, against real sockets."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from support.machine.ports import free_port
from support.machine.times import assert_takes_less
from webhook.pod.start_gate import LIMIT_SECONDS, command

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")


def run(ports: Iterable[int], *, limit_seconds: int = 1) -> subprocess.CompletedProcess[str]:
    argv = command(ports, limit_seconds=limit_seconds)
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def listener(host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, 0))


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_listening_ports_open_the_gate_at_once() -> None:
    with listener() as first, listener() as second:

        def work() -> None:
            done = run([port_of(first), port_of(second)])
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

        assert_takes_less(0.5, work)


def test_a_port_that_does_not_listen_keeps_the_gate_shut_until_the_limit() -> None:
    with listener() as first, socket.socket() as second:
        second.bind(("127.0.0.1", 0))  # bound is not listening
        started = time.monotonic()
        done = run([port_of(first), port_of(second)])
        assert done.returncode == 1
        assert f"does not listen on 127.0.0.1:{port_of(second)}" in done.stderr
        assert time.monotonic() - started >= 1  # `run` bounds it above


def test_a_connection_is_no_listener() -> None:
    with listener() as server:
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            with accepted:
                assert run([port_of(client)], limit_seconds=0).returncode == 1
                server.close()
                # the accepted socket still has the local address 127.0.0.1:port
                assert run([port], limit_seconds=0).returncode == 1


def test_another_address_is_not_ours() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.2", port)):
        assert run([port], limit_seconds=0).returncode == 1


def test_the_gate_opens_as_soon_as_the_port_listens() -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        timer = threading.Timer(0.5, late.listen)
        started = time.monotonic()
        timer.start()
        assert run([port_of(late)], limit_seconds=20).returncode == 0
        assert 0.5 <= time.monotonic() - started < 20, "not only at the limit"
        timer.join()


def test_the_gate_needs_only_sh_grep_and_sleep(tmp_path: Path) -> None:
    for tool in ("sh", "grep", "sleep"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    with listener() as server, socket.socket() as shut:
        shut.bind(("127.0.0.1", 0))
        for port, code in ((port_of(server), 0), (port_of(shut), 1)):
            argv = command([port], limit_seconds=1)
            done = subprocess.run(
                argv, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
            )
            assert done.returncode == code
            assert "not found" not in done.stderr


def test_the_limit_is_within_the_grace_period_of_a_deletion() -> None:
    assert command([28100])[4:] == [str(LIMIT_SECONDS), "28100"]
    assert LIMIT_SECONDS <= 30
