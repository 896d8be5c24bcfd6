"""How `run` begins and ends: signals, its proxy's life, other users of the machine."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from support.machine.environments import clean
from support.machine.ports import free_port
from webhook.command.local_proxy import running_proxy
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import RegistryAccess
from webhook.console import Console

PATIENCE_SECONDS = 60.0
PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))
MANIFESTS = """
kind: Connector
metadata: {name: c}
spec: {connectorClassName: pypi, address: http://127.0.0.1:9}
"""


def start(folder: Path, *arguments: str, script: str, before: str = ":") -> "subprocess.Popen[str]":
    """`run` with a shell script; its first line on standard output says that it runs."""
    (folder / "c.yaml").write_text(MANIFESTS)
    return subprocess.Popen(
        [
            PROGRAM,
            "run",
            "-f",
            "c.yaml",
            *arguments,
            "--",
            "sh",
            "-c",
            f"{before}; echo $$ $PIP_INDEX_URL; {script}",
        ],
        cwd=folder,
        env=clean(TMPDIR=str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: "subprocess.Popen[str]") -> tuple[int, int]:
    """Process id of the command and port of the proxy."""
    assert process.stdout is not None
    number, url = process.stdout.readline().split()
    return int(number), int(url.split(":")[2].split("/")[0])


def assert_closed(port: int) -> None:
    """Soon no process listens on the port any more. The test holds it, so no other process can."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        assert time.monotonic() < deadline, "the proxy still listens"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_is_forwarded_and_the_exit_code_returned(tmp_path: Path, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    trap = f"trap 'exit 33' {name}"
    port = free_port()
    with start(tmp_path, "--port", str(port), before=trap, script="while :; do sleep 0.05; done") as process:
        first_line(process)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 33
    assert_closed(port)
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_the_proxy_ends_with_a_run_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    with start(tmp_path, "--port", str(port), script="exec sleep 60") as process:
        command, _ = first_line(process)
        process.kill()
        process.wait(PATIENCE_SECONDS)
        try:
            assert_closed(port)
        finally:
            os.kill(command, signal.SIGKILL)


def test_the_chosen_port_is_used(tmp_path: Path) -> None:
    wished = free_port()
    with start(tmp_path, "--port", str(wished), script="true") as process:
        assert first_line(process)[1] == wished
        assert process.wait(PATIENCE_SECONDS) == 0


def ask(port: int, user: int) -> bytes:
    """The answer to a socket of that user. A socket belongs to the effective user that made it."""
    os.seteuid(user)
    try:
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    finally:
        os.seteuid(0)
    with sock:
        sock.settimeout(PATIENCE_SECONDS)
        try:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return sock.recv(100)
        except ConnectionError:
            return b""


def test_another_user_of_the_machine_is_refused(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    with start(tmp_path, script="exec sleep 60") as process:
        command, port = first_line(process)
        try:
            assert ask(port, 0).startswith(b"HTTP/1.1 404")
            assert ask(port, 65534) == b""
        finally:
            os.kill(command, signal.SIGKILL)


class SlowStream(io.StringIO):
    """A standard error that takes refusals only once no process listens on the port any more."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def write(self, text: str) -> int:
        if " 404 " in text:
            assert_closed(self.port)
        return super().write(text)


def test_a_refusal_at_the_very_end_is_printed() -> None:
    manifest = yaml.safe_load(MANIFESTS) | {"metadata": {"name": "c", "namespace": "n"}}
    stream = SlowStream(free_port())
    registry = RegistryAccess(parse_connector(manifest), None, None)
    with running_proxy([registry], clean(), Console(stream, is_coloured=False), port=stream.port):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{stream.port}/nothing", timeout=PATIENCE_SECONDS)
        refused.value.close()
    assert "404 this is a package proxy" in stream.getvalue()


def test_a_signal_that_comes_while_it_imports_ends_it() -> None:
    """Process 1 of a container would ignore the signal. So the process catches it, which shows outside."""
    command = [sys.executable, "-m", "webhook", "admission"]
    with subprocess.Popen(command, env=clean(), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not caught(process.pid) & 1 << (signal.SIGTERM - 1):
            assert time.monotonic() < deadline
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


def caught(pid: int) -> int:
    """The signals that a process handles, each as a bit (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = [line.split()[1] for line in lines if line.startswith("SigCgt:")]
    return int(mask, 16)
