"""Where the kernel has no room in epoll for one more descriptor (epoll_ctl(2), ENOSPC), or gives one anew."""

import contextlib
import errno
import http.client
import os
import select
import socket
from collections.abc import Iterator

import pytest

from sidecar.contract.environment import Listener
from sidecar.exchange.server import listen
from sidecar.sockets.loop import Loop
from support.servers.registry import Registry
from support.sidecars.proxy_threads import serving
from support.sidecars.running import CONNECTOR, Reply, ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"


class Crowded:
    """A loop that has no room for the next `refusals` descriptors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refusals = 0
        self.loop = Loop()
        self._register = self.loop.register
        monkeypatch.setattr(self.loop, "register", self._refuse_or_register)

    def _refuse_or_register(self, *arguments: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._register(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as found:
        found.on(WHEEL, lambda call: call.reply(200, b"wheel", {"Connection": "close"}))
        yield found


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Crowded:
    return Crowded(monkeypatch)


def get(client: http.client.HTTPConnection) -> Reply:
    return ask(client, "GET", WHEEL, {"Connection": "close"})


def test_a_connection_without_room_is_closed_and_the_next_one_served(
    crowded: Crowded, registry: Registry
) -> None:
    with serving(crowded.loop, registry) as client:
        assert get(client).body == b"wheel"
        crowded.refusals = 1
        with pytest.raises(ConnectionError):
            get(client)
        client.close()
        assert get(client).body == b"wheel"


def test_without_room_towards_the_registry_the_request_is_answered(
    crowded: Crowded, registry: Registry
) -> None:
    with serving(crowded.loop, registry) as client:
        assert ask(client, "GET", "/nowhere").status == 404  # it has been accepted, and is kept
        crowded.refusals = 1
        reply = get(client)
        assert reply.status == 502
        assert "no room for a connection" in reply.reason
        assert get(client).body == b"wheel"


class Exhausted(socket.socket):
    """A listener that finds no descriptor for the first connection that knocks."""

    crowded: Crowded | None

    def accept(self) -> tuple[socket.socket, object]:
        if self.crowded is not None:
            self.crowded.refusals = 2  # neither for itself, twice
            self.crowded = None
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
        return super().accept()


def test_a_listener_that_found_no_room_twice_listens_again(crowded: Crowded, registry: Registry) -> None:
    listener = Exhausted(fileno=listen(Listener(CONNECTOR, 0)).detach())
    listener.crowded = crowded
    with serving(crowded.loop, registry, listener=listener) as client:
        assert get(client).body == b"wheel"
    assert crowded.refusals == 0


class Heir:
    """Whoever has a descriptor next."""

    def __init__(self) -> None:
        self.masks: list[int] = []

    def on_events(self, mask: int) -> None:
        self.masks.append(mask)


class Closer:
    """Closes another descriptor, whose number goes to a silent one at once."""

    def __init__(self, loop: Loop, descriptor: int, silent: socket.socket, heir: Heir) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._silent = silent
        self._heir = heir

    def on_events(self, mask: int) -> None:
        self._loop.forget(self._descriptor)
        os.dup2(self._silent.fileno(), self._descriptor)
        self._loop.register(self._descriptor, self._heir, select.EPOLLIN)
        self._loop.stop()


def test_an_event_of_a_closed_descriptor_is_not_told_to_the_next_one_of_its_number() -> None:
    """Both were found in one look at the sockets: an evicted client's reset, and a new client."""
    loop = Loop()
    heir = Heir()
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(3)]
        for sock in (sock for pair in pairs for sock in pair):
            stack.enter_context(sock)
        (first, one), (closed, another), (silent, _) = pairs
        loop.register(first.fileno(), Closer(loop, closed.fileno(), silent, heir), select.EPOLLIN)
        loop.register(closed.fileno(), Heir(), select.EPOLLIN)
        one.sendall(b"x")
        another.sendall(b"x")
        loop.run()
    assert heir.masks == []
