"""A proxy in this process whose clock a test advances, in place of waits of minutes."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from sidecar.log import Log
from sidecar.sockets.loop import Loop
from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars.proxy_threads import serving
from support.sidecars.running import ask

OTHER = "/files/other-1.0.zip"


class Clock:
    """Replaces `time` in modules of the sidecar. A wait in the kernel sees a jump only at its next event."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds"""

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


class Lines(Log):
    """A recorded log."""

    def __init__(self) -> None:
        super().__init__()
        self._written: SimpleQueue[dict[str, object]] = SimpleQueue()

    def write(self, level: str, message: str, **fields: object) -> None:
        self._written.put(fields)

    def wait(self, reason: str) -> dict[str, object]:
        """The next line with this reason."""
        while (line := self._written.get(timeout=PATIENCE_SECONDS))["reason"] != reason:
            pass
        return line


class Stage:
    """A proxy, its registry and its log, one more client, and the time."""

    def __init__(
        self, registry: Registry, lines: Lines, other: http.client.HTTPConnection, clock: Clock
    ) -> None:
        self.registry = registry
        self.lines = lines
        self._other = other
        self._clock = clock

    def connect(self) -> socket.socket:
        sock = socket.create_connection((self._other.host, self._other.port), PATIENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what was sent first arrives first
        return sock

    def wait(self, seconds: float) -> None:
        """Another client is served before and after: so the proxy waits first, and is awake afterwards."""
        self._serve_another()
        self._clock.advance(seconds)
        self._serve_another()

    def wait_until(self, has_come: Callable[[], bool]) -> None:
        """In steps, because a limit may begin again: after seconds, TCP finds room for more (RFC 1122)."""
        for _ in range(100):
            if has_come():
                return
            self.wait(11)
        raise AssertionError("it never came")

    def _serve_another(self) -> None:
        assert ask(self._other, "GET", OTHER, {"Connection": "close"}).body == b"other"


@contextmanager
def staged(clock: Clock) -> Iterator[Stage]:
    """Over plain http. The sidecar's modules must have the clock already."""
    lines = Lines()
    with Registry() as registry, serving(Loop(), registry, log=lines) as other:
        registry.on(OTHER, lambda call: call.reply(200, b"other", {"Connection": "close"}))
        yield Stage(registry, lines, other, clock)
