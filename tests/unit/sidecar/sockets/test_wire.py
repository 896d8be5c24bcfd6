"""Connections on the sidecar's event loop: octets, limits, ends, and which of them are kept."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Iterator
from unittest.mock import Mock

import pytest

from sidecar.sockets import connections
from sidecar.sockets.loop import Loop
from sidecar.sockets.readiness import WaitEnded, WireTimeout
from sidecar.sockets.wire import Wire, WireClosed
from support.sidecars.loops import PATIENCE_SECONDS, run, wire_of


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@pytest.mark.parametrize("size", [1, 3, 100, 70_000])
def test_octets_arrive_whole_in_whatever_pieces_they_were_sent(
    loop: Loop, pair: tuple[socket.socket, socket.socket], size: int
) -> None:
    here, there = pair
    data = bytes(range(256)) * 600

    async def sends() -> None:
        wire = wire_of(loop, there)
        for start in range(0, len(data), size):
            await wire.send(data[start : start + size], PATIENCE_SECONDS)
        wire.close()

    async def receives() -> None:
        wire = wire_of(loop, here)
        buffer = memoryview(bytearray(1000))
        found = b""
        while count := await wire.receive(buffer, PATIENCE_SECONDS):
            found += buffer[:count]
        assert found == data

    run(loop, receives(), sends())


def test_what_lies_in_a_shared_buffer_is_sent_as_it_was_however_slowly_it_is_taken(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A regression to fear: the buffer belongs to all tasks, and a slow receiver's rest must not change."""
    here, there = pair
    buffer = memoryview(bytearray(b"a" * 1_000_000))

    async def sends() -> None:
        await wire_of(loop, there).send(buffer, PATIENCE_SECONDS)

    async def overwrites() -> None:
        buffer[:] = b"b" * len(buffer)
        wire = wire_of(loop, here)
        found = 0
        piece = memoryview(bytearray(50_000))
        while found < len(buffer):
            count = await wire.receive(piece, PATIENCE_SECONDS)
            assert set(bytes(piece[:count])) == {ord("a")}
            found += count

    run(loop, sends(), overwrites())


Wait = Callable[[Wire, Wire], Coroutine[None, None, None]]


async def _receive(wire: Wire, watched: Wire) -> None:
    await wire.receive(memoryview(bytearray(10)), 0.05, watched)


async def _move(wire: Wire, watched: Wire) -> None:
    assert not wire.has_arrived()
    while wire.send_some(b"x" * 100_000):
        pass
    await wire.until_movable(0.05, watched)


@pytest.mark.parametrize("wait", [_receive, _move])
def test_a_wait_ends_after_its_limit(
    loop: Loop, pair: tuple[socket.socket, socket.socket], wait: Wait
) -> None:
    async def waits() -> None:
        wire = wire_of(loop, pair[0])
        with pytest.raises(WireTimeout):
            await wait(wire, wire)

    run(loop, waits())


@pytest.mark.parametrize("wait", [_receive, _move])
@pytest.mark.parametrize("is_before", [True, False], ids=["before the wait", "during the wait"])
def test_a_wait_ends_when_the_watched_connection_does(
    loop: Loop, pair: tuple[socket.socket, socket.socket], wait: Wait, *, is_before: bool
) -> None:
    watched, other = socket.socketpair()

    async def waits() -> None:
        wire, seen = wire_of(loop, pair[0]), wire_of(loop, watched)
        if is_before:
            other.close()
            await loop.pause()
        with pytest.raises(WaitEnded):
            await wait(wire, seen)

    async def closes() -> None:
        await loop.pause()
        other.close()

    with watched, other:
        run(loop, waits(), closes())


def test_the_end_that_comes_with_the_last_octets_is_seen(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair

    async def receives() -> None:
        wire = wire_of(loop, here)
        there.sendall(b"last")
        there.close()
        assert await wire.receive_bytes(loop.now + PATIENCE_SECONDS) == b"last"
        assert await wire.receive_bytes(loop.now + PATIENCE_SECONDS) == b""

    run(loop, receives())


def test_an_evicted_connection_is_closed_for_the_one_who_waits_for_it(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    wires: list[Wire] = []

    async def waits() -> None:
        wires.append(wire_of(loop, pair[0]))
        with pytest.raises(WireClosed):
            await wires[0].receive_bytes(loop.now + PATIENCE_SECONDS)

    async def evicts() -> None:
        await loop.pause()
        wires[0].evict()

    run(loop, waits(), evicts())


def test_a_reset_behind_the_last_octets_is_told_once_they_are_read(loop: Loop) -> None:
    """A regression: the kernel tells it once, and swallowed it a broken body looked complete."""

    async def receives() -> None:
        wire = wire_of(loop, here)
        await loop.pause()  # its event tells of both at once
        buffer = memoryview(bytearray(100))
        assert bytes(buffer[: await wire.receive(buffer, PATIENCE_SECONDS)]) == b"half"
        with pytest.raises(WireClosed):
            await wire.receive(buffer, PATIENCE_SECONDS)
        assert wire.has_arrived()

    with socket.create_server(("127.0.0.1", 0)) as server:
        there = socket.create_connection(server.getsockname())
        here, _ = server.accept()
        with here:
            there.sendall(b"half")
            there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            there.close()
            run(loop, receives())


def test_an_idle_connection_is_closed_after_its_time_though_nobody_asks_for_one(
    loop: Loop, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)
    here, there = pair

    async def keeps() -> None:
        connections.Pool(loop).put("key", wire_of(loop, here))
        assert await wire_of(loop, there).receive_bytes(loop.now + PATIENCE_SECONDS) == b""

    run(loop, keeps())


def test_a_connection_with_octets_that_nobody_asked_for_is_not_used_again(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """They would pass for the next answer, whatever the last event told."""
    here, there = pair

    async def keeps() -> None:
        pool, wire = connections.Pool(loop), wire_of(loop, here)
        there.sendall(b"answer")
        assert await wire.receive_bytes(loop.now + PATIENCE_SECONDS) == b"answer"
        pool.put("key", wire)
        there.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        assert pool.take("key", loop.current) is None
        await loop.pause()  # the pool's own task begins

    run(loop, keeps())


@pytest.fixture
def updating(pair: tuple[socket.socket, socket.socket]) -> Mock:
    """TLS that has read all there is, a key update to answer among it (RFC 8446 §4.6.3), and cannot send."""
    sock = Mock(spec=ssl.SSLSocket)
    sock.fileno.return_value = pair[0].fileno()
    sock.pending.return_value = 1
    sock.recv.side_effect = sock.send.side_effect = ssl.SSLWantWriteError
    pair[0].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while pair[0].send(b"x" * 100_000):
            pass
    return sock


def test_tls_that_must_send_before_it_can_read_is_waited_for(loop: Loop, updating: Mock) -> None:
    """A regression: an upload tried again without a pause, and nobody else had a turn."""

    async def uploads() -> None:
        wire = Wire(updating, loop, loop.current)
        await loop.pause()  # the event of its registration
        assert not wire.has_arrived()
        with pytest.raises(WireTimeout):
            await wire.until_movable(0.05, wire)

    run(loop, uploads())


def test_tls_that_has_sent_what_it_must_is_read_again(
    loop: Loop, pair: tuple[socket.socket, socket.socket], updating: Mock
) -> None:
    """No event tells of octets that lie in TLS itself."""

    async def uploads() -> None:
        wire = Wire(updating, loop, loop.current)
        await loop.pause()  # the event of its registration
        assert not wire.has_arrived()
        updating.recv.side_effect = [b"answer"]
        with contextlib.suppress(BlockingIOError):
            while pair[1].recv(1_000_000, socket.MSG_DONTWAIT):
                pass
        await wire.until_movable(PATIENCE_SECONDS / 2, wire)
        assert wire.has_arrived()
        assert wire.take_ahead() == b"answer"

    run(loop, uploads())


def test_an_urgent_octet_is_one_like_all_others(loop: Loop) -> None:
    """A regression: a read that ended before it passed for one that found no more (RFC 9293 §3.8.5)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = socket.create_connection(listener.getsockname())
        here, _ = listener.accept()
    with here, there:
        there.sendall(b"before")
        there.send(b"!", socket.MSG_OOB)
        there.sendall(b"behind")

        async def receives() -> None:
            wire = wire_of(loop, here)
            found = b""
            while len(found) < 13:
                found += await wire.receive_bytes(loop.now + PATIENCE_SECONDS / 2)
            assert found == b"before!behind"

        run(loop, receives())
