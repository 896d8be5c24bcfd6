"""A whole proxy in this process, whose waits for a credential use a clock that the test moves."""

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sidecar.contract.environment import Listener
from sidecar.contract.grant import Grant
from sidecar.exchange.proxy import Proxy
from sidecar.exchange.server import Server, listen
from sidecar.exchange.upstream import Upstream
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.log import Log
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads
from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars.forms import FORM, TYPE
from support.sidecars.grant_stores import Clock
from support.sidecars.loops import close_wires
from support.sidecars.running import CONNECTOR, Reply, ask_once, grant


@dataclass
class VirtualProxy:
    port: int
    clock: Clock
    grants: list[Grant]
    """The last is what the broker gives"""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    """Version and cause of each question to the broker"""

    def get(self, target: str) -> Reply:
        return ask_once(self.port, "GET", target)

    def post(self, target: str) -> Reply:
        return ask_once(self.port, "POST", target, FORM, {"Content-Type": TYPE})


@contextmanager
def virtual_proxy(registry: Registry, **changes: object) -> Iterator[VirtualProxy]:
    """The grant's life does not end while the clock moves, unless `changes` says so."""
    loop, log, clock = Loop(), Log("error"), Clock()
    sock = listen(Listener(CONNECTOR, 0))
    endless = {"soft_seconds": 1e9, "hard_seconds": 1e9}
    found = VirtualProxy(sock.getsockname()[1], clock, [grant(registry, **{**endless, **changes})])

    def fetch(rejected: str | None, cause: str | None) -> Grant:
        found.asked.append((rejected, cause))
        return found.grants[-1]

    grants = Grants(fetch, loop, Threads(loop), clock)
    attempts = Attempts(CONNECTOR, loop, log, clock)
    proxy = Proxy(CONNECTOR, found.port, grants, attempts, Upstream(loop, Threads(loop)), log)
    Server(loop, log, None).add_listener(sock, proxy)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield found
    finally:
        loop.stop()
        thread.join(PATIENCE_SECONDS)
        for task in loop._tasks:
            if inspect.getcoroutinestate(task.coroutine) == inspect.CORO_CREATED:
                task.coroutine.close()  # else Python warns that nobody awaited it
        close_wires(loop)
        sock.close()
