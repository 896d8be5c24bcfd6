"""The loop of admission and broker: no other process of the machine can take the means by which it waits."""

import asyncio
import errno
import os
import selectors
import socket

import pytest

from webhook.server.tasks import run


def test_a_process_needs_no_watch_of_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any Pod may choose our user id, and take all watches that the kernel gives to it."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(selectors.EpollSelector, "register", refuse)
    received: list[bytes] = []

    async def main() -> None:
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            there.sendall(b"served")
            received.append(await asyncio.get_running_loop().sock_recv(here, 100))

    run(main())
    assert received == [b"served"]
