"""Resolves host names with the system's resolver, without blocking the event loop."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → IP addresses. `OSError` if the name has none"""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """`getaddrinfo` in a thread of its own.

    It cannot be interrupted. In the loop's thread pool, a few names whose servers are dead would delay all
    other names, and the end of the process.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(outcome: Sequence[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def resolve() -> None:
        outcome: Sequence[str] | Exception
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            outcome = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            outcome = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    return await answer
