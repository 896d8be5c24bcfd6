"""The sidecar's event loop, run until all tasks of a test have ended."""

import math
import socket
import threading
from collections.abc import Coroutine

from sidecar.sockets.loop import Loop
from sidecar.sockets.wire import Wire

PATIENCE_SECONDS = 10.0


class JumpingLoop(Loop):
    """A loop whose clock jumps to the next timer: hours pass in a moment. It knows no sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def run(self) -> None:
        """Run until `stop`; it may run again."""
        self._is_stopped = False
        super().run()

    def _look(self) -> None:
        if not self._queue:
            assert self._sweep_at < math.inf, "everything waits for something that no timer will bring"
            self.now = max(self.now, self._sweep_at)
        if self.now >= self._sweep_at:
            self._sweep()


async def sleep(loop: Loop, seconds: float) -> None:
    until = loop.now + seconds
    while loop.now < until:
        await loop.suspend(until)


def run(loop: Loop, *coroutines: Coroutine[None, None, None]) -> None:
    """Run until all of them have ended."""
    left = len(coroutines)

    async def counted(coroutine: Coroutine[None, None, None]) -> None:
        nonlocal left
        try:
            await coroutine
        finally:
            left -= 1
            if not left:
                loop.stop()

    errors: list[BaseException] = []

    async def caught(coroutine: Coroutine[None, None, None]) -> None:
        try:
            await counted(coroutine)
        except BaseException as error:  # noqa: BLE001 (raised below, in the test)
            errors.append(error)

    for one in coroutines:
        loop.spawn(caught(one))
    watchdog = threading.Timer(PATIENCE_SECONDS, loop.stop)
    watchdog.start()
    loop.run()
    watchdog.cancel()
    if errors:
        raise errors[0]
    assert not left, "somebody still waits"


def wire_of(loop: Loop, sock: socket.socket) -> Wire:
    return Wire(sock, loop, loop.current)


def close_wires(loop: Loop) -> None:
    """For a loop that has ended, which leaves its connections open.

    Threads of the proxy hold them for some seconds more. Then the collector would warn of them, in any test.
    """
    for wire in [source for source in loop._sources.values() if isinstance(source, Wire)]:
        wire.close()
