"""Strangers are not served: TLS clients, other machines, other users of this machine."""

import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _file(registry: Registry) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))


def test_a_tls_hello_is_closed_at_once_and_without_a_word(sidecar: Sidecar) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with sidecar.connect() as sock, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(sock)
    with sidecar.connect() as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(100) == b""


def test_the_proxy_listens_on_loopback_only(sidecar: Sidecar) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.99", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = sock.getsockname()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, sidecar.port), 5)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize(
    ("served", "asking", "is_answered"),
    [(1234, 1234, True), (1234, 1235, False), (1234, 0, True), (0, 1234, False)],
)
def test_other_users_of_the_machine_are_refused(
    registry: Registry, tmp_path: Path, served: int, asking: int, is_answered: bool
) -> None:
    # bash, because the interpreter of the tests may lie where other users cannot read
    asks = (
        'exec 3<>/dev/tcp/127.0.0.1/"$1"; '
        f"printf 'GET {WHEEL} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
    )
    with running_sidecar(tmp_path, grant(registry), peer_uid=served) as sidecar:
        found = subprocess.run(
            ["/bin/bash", "-c", asks, "-", str(sidecar.port)],
            user=asking,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert found.stdout.startswith("HTTP/1.1 200 ") is is_answered
        if not is_answered:
            sidecar.wait_line(message="connection of another user refused")
    assert bool(registry.requests) is is_answered


def test_a_user_who_is_not_served_is_recognised_on_any_machine(registry: Registry, tmp_path: Path) -> None:
    """As root the stranger is made, else it is this process that is the stranger: nothing is skipped."""
    me = os.getuid()
    asks = (
        'exec 3<>/dev/tcp/127.0.0.1/"$1"; '
        "printf 'GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3"
    )
    with running_sidecar(tmp_path, grant(registry), peer_uid=me + 4321) as sidecar:
        found = subprocess.run(
            ["/bin/bash", "-c", asks, "-", str(sidecar.port)],
            user=1234 if me == 0 else None,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert found.stdout == b""
        sidecar.wait_line(message="connection of another user refused")
    with running_sidecar(tmp_path, grant(registry), peer_uid=me) as sidecar:
        assert sidecar.get(WHEEL).status == 200
    assert len(registry.requests) == 1
