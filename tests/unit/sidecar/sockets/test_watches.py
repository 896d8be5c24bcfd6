"""All watches of our user id are taken: epoll_ctl(2) fails with ENOSPC, and requests are still served."""

import errno
import os
import select
import socket
from collections.abc import Iterator

import pytest

from sidecar.sockets import watches
from sidecar.sockets.loop import Loop
from sidecar.sockets.watches import Watches
from support.servers.registry import Registry
from support.sidecars.proxy_threads import serving
from support.sidecars.running import ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"
BODY = b"wheel" * 200_000


class Kernel:
    """`room`: the registrations that still fit, in all epolls of the process; None: any number."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.epolls = 0


class ScarceEpoll:
    """select.epoll with the kernel's bound."""

    kernel: Kernel
    real = select.epoll

    def __init__(self) -> None:
        self._epoll = self.real()
        self.kernel.epolls += 1

    def register(self, descriptor: int, events: int) -> None:
        if self.kernel.room is not None:
            if self.kernel.room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.kernel.room -= 1
        self._epoll.register(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout)

    def close(self) -> None:
        self._epoll.close()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(ScarceEpoll, "kernel", kernel, raising=False)
    monkeypatch.setattr(select, "epoll", ScarceEpoll)
    return kernel


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        registry.on(WHEEL, lambda call: call.reply(200, BODY))
        yield registry


def test_a_loop_that_begins_without_room_serves(kernel: Kernel, registry: Registry) -> None:
    kernel.room = 0
    with serving(Loop(), registry) as client:
        for _ in range(3):
            assert ask(client, "GET", WHEEL).body == BODY


def test_room_that_ends_during_a_connection_breaks_nothing(kernel: Kernel, registry: Registry) -> None:
    with serving(Loop(), registry) as client:
        assert ask(client, "GET", WHEEL).body == BODY
        kernel.room = 0
        client.close()
        for _ in range(3):
            assert ask(client, "GET", WHEEL).body == BODY


def test_the_loop_returns_to_epoll_when_there_is_room_again(
    kernel: Kernel, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "RETRY_SECONDS", 0.05)
    kernel.room = 0
    loop = Loop()
    with serving(loop, registry) as client:
        assert ask(client, "GET", WHEEL).body == BODY
        tried = kernel.epolls
        kernel.room = None
        while kernel.epolls == tried:
            assert ask(client, "GET", WHEEL).body == BODY
        assert ask(client, "GET", WHEEL).body == BODY
    assert loop._watches._epoll is not None


def test_a_try_that_finds_room_for_some_only_changes_nothing(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "RETRY_SECONDS", 0.0)
    kernel.room = 0
    here, there = socket.socketpair()
    with here, there:
        watched = Watches()
        watched.add(here.fileno(), select.EPOLLIN | select.EPOLLET)
        watched.add(there.fileno(), select.EPOLLIN | select.EPOLLET)
        kernel.room = 1
        there.sendall(b"x")
        for _ in range(2):  # levels: told at every look
            assert watched.look(0) == [(here.fileno(), select.EPOLLIN)]


def test_descriptors_that_are_removed_or_closed_give_no_events(kernel: Kernel) -> None:
    kernel.room = 0
    watched = Watches()
    pairs = [socket.socketpair() for _ in range(2)]
    for here, there in pairs:
        watched.add(here.fileno(), select.EPOLLIN)
        there.sendall(b"x")
    (removed, one), (closed, other) = pairs
    watched.remove(removed.fileno())
    watched.forget(closed.fileno())
    closed.close()
    assert watched.look(0) == []
    for sock in (removed, one, other):
        sock.close()


def test_another_error_of_the_kernel_is_not_taken_for_want_of_room() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        Watches().add(99_999, select.EPOLLIN)
