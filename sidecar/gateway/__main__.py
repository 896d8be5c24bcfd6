"""Wires the gateway's parts together, listens, and drains on a signal.

Run as `python3 -I -m sidecar.gateway`.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sidecar.contract.errors import ContractError
from sidecar.contract.words import Line
from sidecar.errors import SidecarError
from sidecar.gateway.brokers import GatewayBroker
from sidecar.gateway.certificates import Certificate
from sidecar.gateway.destinations import Guard
from sidecar.gateway.front import Gate
from sidecar.gateway.health import HealthServer
from sidecar.gateway.metrics import Metrics
from sidecar.gateway.server import GatewayServer, listen
from sidecar.gateway.sessions import Sessions
from sidecar.gateway.settings import Settings, parse
from sidecar.gateway.tenants import Tenants, Wiring
from sidecar.gateway.wires import State
from sidecar.log import Log
from sidecar.sockets.loop import Loop

_STACK_BYTES = 256 * 1024  # as the sidecar's
_SWEEP_SECONDS = 5.0


def main() -> int:
    """Exit 0 after SIGTERM or SIGINT, 2 if the environment or a port cannot be used."""
    try:
        settings = parse(os.environ)
    except ContractError as error:
        Log().write("error", Line.CANNOT_START, detail=str(error))
        return 2
    log = Log(settings.log_level)
    threading.stack_size(_STACK_BYTES)
    _raise_descriptors()
    try:
        gateway = Gateway(settings, log)
    except (SidecarError, OSError) as error:
        log.write("error", Line.CANNOT_START, detail=str(error))
        return 2
    gateway.run()
    log.write("info", Line.STOPPED)
    return 0


class Gateway:
    """The parts of the process."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._loop = Loop()
        self._state = State()
        self._metrics = Metrics()
        folder = Path(settings.tls_dir)
        self._certificate = Certificate(folder, log)
        broker = GatewayBroker(settings.broker_url, folder / "ca.crt", settings.token_file)
        wiring = Wiring(self._loop, log, self._metrics, Guard(is_loopback_allowed=settings.allows_loopback))
        self._sessions = Sessions(broker, self._loop)
        self._tenants = Tenants(wiring)
        self._gate = Gate(wiring, self._sessions, self._tenants)
        self._server = GatewayServer(self._loop, log, self._state, self._certificate)
        self._look()
        _Signals(self._loop, self._begin_drain)  # before the first line says that it listens
        for scheme, port in (("http", settings.http_port), ("https", settings.https_port)):
            sock = listen(settings.address, port)
            self._server.serve(sock, self._gate, scheme)
            log.write("info", Line.LISTENING, scheme=scheme, port=sock.getsockname()[1])
        self._state.is_listening = True  # before anybody can ask whether it is ready
        health = HealthServer((settings.address, settings.metrics_port), self._state, self._metrics)
        health.start()
        log.write("info", Line.LISTENING, scheme="health", port=health.server_port)

    def run(self) -> None:
        """Until a signal, and then until the requests under way have ended."""
        self._loop.spawn(self._sweep())
        self._loop.run()

    def _begin_drain(self) -> None:
        if self._state.is_draining:  # a second signal
            self._loop.stop()
            return
        self._loop.spawn(self._drain())

    async def _drain(self) -> None:
        await self._server.drain(self._settings.drain_seconds)
        self._loop.stop()

    async def _sweep(self) -> None:
        """Look at the files, forget what is idle, and show that the loop turns."""
        while True:
            self._look()
            self._sessions.sweep()
            self._tenants.sweep()
            until = self._loop.now + _SWEEP_SECONDS
            while self._loop.now < until:
                await self._loop.suspend(until)

    def _look(self) -> None:
        self._certificate.reload()
        self._state.has_certificate = self._certificate.context is not None
        self._state.beat = self._loop.now
        self._metrics.connections.set(self._state.connections)
        self._metrics.under_way.set(self._gate.under_way)
        self._metrics.sessions.set(len(self._sessions))
        self._metrics.tenants.set(len(self._tenants))


class _Signals:
    """Turns signals into events of the loop."""

    def __init__(self, loop: Loop, on_signal: Callable[[], None]) -> None:
        self._on_signal = on_signal
        self._ring, bell = socket.socketpair()
        self._bell = bell
        for end in (self._ring, bell):
            end.setblocking(False)
        signal.set_wakeup_fd(bell.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # the descriptor tells the loop
        loop.register(self._ring.fileno(), self, select.EPOLLIN)

    def on_events(self, mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ring.recv(64)
        self._on_signal()


def _raise_descriptors() -> None:
    """Each connection takes one, and some runtimes allow 1024 at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    code = main()
    # the Pod is ending, and a wait for busy threads could take minutes
    sys.stderr.flush()
    os._exit(code)
