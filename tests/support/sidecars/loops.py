"""The sidecar's event loop, run until all tasks of a test have ended."""

import socket
import threading
from collections.abc import Coroutine

from sidecar.sockets.loop import Loop
from sidecar.sockets.wire import Wire

PATIENCE_SECONDS = 10.0


def run(loop: Loop, *coroutines: Coroutine[None, None, None]) -> None:
    """Until all of them have ended."""
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
