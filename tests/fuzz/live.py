"""Bytes by chance to a running sidecar, from its clients and from its registry, and what must hold then.

It lives, its log tells of no internal error, no traceback and no credential, none comes back to a client, and
a plain request is served after each of them.
"""

import contextlib
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzz.mutations import ANSWERS, REQUESTS, WHEEL, mutated, pieces
from support.certificates.authority import server_context
from support.servers.registry import Call, Registry
from support.sidecars.running import Sidecar, grant, holds_credential, running_sidecar

_ANSWER_SECONDS = 0.1
"""A client waits so long for more: what the proxy waits for may never come"""
_PATHS = (WHEEL, "/simple/foo/", "/simple/", "/files/foo-1.0.tar.gz.metadata")
_PLAIN = "/files/plain-1.0.zip"


class Finding(Exception):
    """What should hold does not; the text tells the seed and the bytes."""


class Stage:
    """One sidecar before one registry, which answers with what the round's chance gives."""

    def __init__(self, registry: Registry, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._chance = random.Random(0)
        registry.on("*", self._answer)
        registry.on(_PLAIN, lambda call: call.reply(200, b"plain"))

    def play(self, seed: int) -> bool:
        """One round: bytes from both sides, then a plain request. Raises `Finding`.

        False if the credential rests from now on: the registry's chance was a 401.
        """
        chance = random.Random(seed)
        self._chance = random.Random(seed + 1)
        if chance.random() < 0.5:
            sent = mutated(chance, REQUESTS)
        else:
            sent = f"GET {chance.choice(_PATHS)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        received = self._exchange(chance, sent)
        told = f"seed {seed}: {sent!r} -> {received[:500]!r}"
        if holds_credential(received.decode("latin-1")):
            raise Finding(f"the credential came back, {told}")
        return self._check(told)

    def _answer(self, call: Call) -> None:
        chance = self._chance
        with contextlib.suppress(OSError):
            for piece in pieces(chance, mutated(chance, ANSWERS)):
                call.send(piece)
            chance.choice((lambda: None, call.cut, call.reset))()

    def _exchange(self, chance: random.Random, sent: bytes) -> bytes:
        received = b""
        with self._sidecar.connect() as sock, contextlib.suppress(OSError):
            sock.settimeout(_ANSWER_SECONDS)
            for piece in pieces(chance, sent):
                sock.sendall(piece)
            if chance.random() < 0.3:
                sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                received += piece
        return received

    def _check(self, told: str) -> bool:
        if self._sidecar.process.poll() is not None:
            raise Finding(f"the process ended, {told}")
        reply = self._sidecar.get(_PLAIN)
        if (reply.status, reply.body) not in ((200, b"plain"), (403, reply.body)):
            raise Finding(f"a plain request got {reply}, {told}")
        lines, self._sidecar.lines[:] = list(self._sidecar.lines), []
        odd = [line for line in lines if "raw" in line or line.get("message") == "internal error"]
        if odd or self._sidecar.leaks:
            raise Finding(f"the log tells {odd or 'the credential'}, {told}")
        return reply.status == 200


@contextmanager
def stage(*, is_tls: bool) -> Iterator[Stage]:
    context = server_context() if is_tls else None
    with (
        tempfile.TemporaryDirectory() as folder,
        Registry(context) as registry,
        running_sidecar(Path(folder), grant(registry)) as sidecar,
    ):
        yield Stage(registry, sidecar)


def play_many(first: int, stop: threading.Event) -> int:
    """Rounds with the seeds from `first` on, until `stop`; how many there were."""
    seed = first
    while not stop.is_set():
        with stage(is_tls=seed % 2 == 0) as found:
            is_usable = True
            while is_usable and not stop.is_set():
                is_usable = found.play(seed)
                seed += 1
    return seed - first
