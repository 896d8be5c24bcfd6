"""What goes wrong around the proxy while it works: aborts, a stalled broker, a log that nobody reads."""

import http.client
import os
import random
import signal
import socket
import struct
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from registry import PATIENCE_SECONDS, Call, Registry
from sidecars import Broker, Sidecar, grant, running_sidecar, sidecar_of_broker

from sidecar.contract import GRANTS_PATH

WHEEL = "/files/foo-1.0-py3-none-any.whl"


CLIENTS = 16
"""At once; so at most as many idle connections to the registry are kept"""


def open_files(sidecar: Sidecar) -> int:
    return len(list(Path(f"/proc/{sidecar.process.pid}/fd").iterdir()))


def body_of(target: str) -> bytes:
    """Another one for each target, of up to 200 KiB."""
    digest = sha256(target.encode()).digest()
    return digest * (digest[0] * 25 + 1)


def test_answers_are_never_mixed_up_while_others_break_off(registry: Registry, sidecar: Sidecar) -> None:
    """Connections of clients that leave in the middle must not be used again, on either side."""

    def script(call: Call) -> None:
        body = body_of(call.request.target)
        if body[1] % 7 == 0:
            call.start(200, {"Content-Length": str(len(body))})
            call.send(body[: len(body) // 2])
            call.reset()
        elif body[1] % 3:
            call.reply(200, body)
        else:
            call.start(200, {"Transfer-Encoding": "chunked"})
            call.send_chunk(body)
            call.send(b"0\r\n\r\n")
            call.keeps = True

    registry.on("*", script)
    before = open_files(sidecar)
    wrong: list[str] = []
    done: list[str] = []

    def leave_early(target: str, chance: random.Random) -> None:
        with sidecar.connect() as sock:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            sock.recv(chance.choice((1, 100, 10_000)))
            if chance.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(15):
            target = f"/files/foo-{seed}.{number}.tar.gz"
            if chance.random() < 0.3:
                leave_early(target, chance)
                continue
            try:
                reply = sidecar.get(target)
            except (OSError, http.client.HTTPException):
                broken = True
            else:
                broken = reply.status == 502
                if reply.status == 200 and reply.body != body_of(target):
                    wrong.append(target)
            if broken and body_of(target)[1] % 7:
                wrong.append(f"{target} broke off")
            done.append(target)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(done) > 100
    assert registry.connections < len(registry.requests)  # and yet connections were used again
    deadline = time.monotonic() + PATIENCE_SECONDS
    while open_files(sidecar) > before + CLIENTS:  # nothing is left open behind those that broke off
        assert time.monotonic() < deadline


def test_a_signal_ends_it_within_a_second_while_the_broker_stalls(registry: Registry, tmp_path: Path) -> None:
    with Broker(grant(registry)) as broker:
        broker.on(GRANTS_PATH, lambda call: call.wait_gone() and None)
        with sidecar_of_broker(tmp_path, broker) as sidecar, sidecar.connect() as sock:
            sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            broker.wait_for(GRANTS_PATH)
            started = time.monotonic()
            assert sidecar.stop(signal.SIGTERM) == 0
            assert time.monotonic() - started < 1


def test_a_log_that_nobody_reads_any_more_stops_nobody(registry: Registry, sidecar: Sidecar) -> None:
    """The collector of a node's logs may restart: its end of the pipe is gone."""
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    assert sidecar.get(WHEEL).status == 200
    assert sidecar.process.stderr
    # the reading thread holds the stream: only its descriptor can be taken away
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, sidecar.process.stderr.fileno())
    os.close(nowhere)
    for _ in range(3):
        assert sidecar.get(WHEEL).status == 200
    assert sidecar.stop() == 0


@pytest.mark.parametrize("is_page", [True, False])
def test_a_registry_that_stalls_holds_up_only_its_own_request(
    registry: Registry, sidecar: Sidecar, is_page: bool
) -> None:
    stalled = "/simple/stalled/" if is_page else "/files/stalled-1.0.tar.gz"
    registry.on(stalled, lambda call: call.wait_gone() and None)
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with sidecar.connect() as sock:
        sock.sendall(f"GET {stalled} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(stalled)
        for _ in range(20):
            assert sidecar.get(WHEEL).status == 200
    assert registry.gone.wait(PATIENCE_SECONDS)


def test_a_client_that_reads_nothing_does_not_fill_the_memory(registry: Registry, sidecar: Sidecar) -> None:
    """What it does not take stays with the registry."""
    sent = 0

    def pours(call: Call) -> None:
        nonlocal sent
        call.start(200, {"Content-Length": str(1 << 40)})
        while True:
            call.send(b"x" * (1 << 16))
            sent += 1 << 16

    registry.on(WHEEL, pours)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(WHEEL)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            assert not registry.gone.wait(0.3)
        status = Path(f"/proc/{sidecar.process.pid}/status").read_text()
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    assert peak < 40_000
    assert sent < 64 << 20


def test_an_empty_ca_bundle_of_the_grant_trusts_nobody_new(registry: Registry, tmp_path: Path) -> None:
    """Empty is the system's authorities, as None is: never no verification."""
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, ca="")) as sidecar:
        reply = sidecar.get(WHEEL)
    assert reply.status == 502
    assert registry.requests == []


def test_a_403_with_nothing_newer_is_explained_and_does_not_stick(registry: Registry, tmp_path: Path) -> None:
    """pypiserver says 403 to a wrong password, others to one package: which it is, nobody can tell."""
    answers = iter([403, 403, 200])
    registry.on(WHEEL, lambda call: call.reply(next(answers), b"Forbidden"))
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        for _ in range(2):
            reply = sidecar.get(WHEEL)
            assert reply.status == 403
            for text in (reply.reason, reply.body.decode()):
                assert "forbids this to the credential of connector team/pypi" in text
                assert "user name or password are wrong, or it may not read this" in text
        assert sidecar.get(WHEEL).status == 200
        assert [one["rejected"] for one in broker.asked()] == [None, "v1"]
