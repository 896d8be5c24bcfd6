"""Faults around the working proxy: aborts on both sides, a log that nobody reads."""

import http.client
import json
import os
import random
import socket
import struct
import threading
import time
from hashlib import sha256
from pathlib import Path

from sidecar.contract.environment import Environment, Listener
from support.machine.ports import free_port
from support.machine.processes import open_files
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.running import CONNECTOR, Sidecar, ask, grant, start

WHEEL = "/files/foo-1.0-py3-none-any.whl"


CLIENTS = 16
"""At once; so at most as many idle connections to the registry are kept"""


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
    before = open_files(sidecar.process.pid)
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
    while (
        open_files(sidecar.process.pid) > before + CLIENTS
    ):  # nothing is left open behind those that broke off
        assert time.monotonic() < deadline


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


def test_a_log_that_nobody_reads_for_a_while_stops_nobody(registry: Registry, tmp_path: Path) -> None:
    """Its pipe is full then, and a write to it would wait: lines are lost instead, requests are not."""
    reading, lifeline = os.pipe()
    os.write(lifeline, json.dumps(grant(registry).document()).encode() + b"\n")
    port = free_port()
    environment = Environment((Listener(CONNECTOR, port),), {}, str(tmp_path), grant_fd=reading)
    process = start(environment.variables(), (reading,))
    try:
        assert process.stderr
        assert "listening" in process.stderr.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        for _ in range(1000):  # twice what a pipe of 64 KiB holds
            assert ask(connection, "PUT", WHEEL).status == 405
        connection.close()
    finally:
        process.kill()
        process.communicate()
        os.close(lifeline)
        os.close(reading)
