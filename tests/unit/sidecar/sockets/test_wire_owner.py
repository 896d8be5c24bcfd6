"""The owner of a connection, and the bytes that it holds beyond the last head."""

import socket
from collections.abc import Iterator

import pytest

from sidecar.sockets import connections
from sidecar.sockets.loop import Loop
from support.sidecars.loops import PATIENCE_SECONDS, run, wire_of


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_bytes_that_are_given_back_are_read_before_all_others(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair

    async def reads() -> None:
        wire = wire_of(loop, here)
        there.sendall(b"early late")
        assert wire.has_arrived()
        assert wire.has_ahead
        assert wire.take_ahead() == b"early late"
        assert not wire.has_ahead
        assert wire.take_ahead() == b""
        wire.give_back(b"late")
        wire.give_back(b"early ")
        buffer = memoryview(bytearray(8))
        assert bytes(buffer[: await wire.receive(buffer, PATIENCE_SECONDS)]) == b"early la"
        assert await wire.receive_bytes(loop.now + PATIENCE_SECONDS) == b"te"

    run(loop, reads())


def test_events_wake_the_task_that_a_connection_was_handed_to(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A connection of the pool has no owner; the next request's task takes it."""
    here, there = pair
    pool = connections.Pool(loop)

    async def keeps() -> None:
        pool.put("key", wire_of(loop, here))
        loop.spawn(uses())

    async def uses() -> None:
        wire = pool.take("key", loop.current)
        assert wire is not None
        seen.append(await wire.receive_bytes(loop.now + PATIENCE_SECONDS))

    async def answers() -> None:
        for _ in range(5):
            await loop.pause()
        there.sendall(b"answer")
        for _ in range(5):
            await loop.pause()
        assert seen == [b"answer"], "its event woke nobody"

    seen: list[bytes] = []
    run(loop, keeps(), answers())
