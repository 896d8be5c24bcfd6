"""The two sides of an exchange: which event each state allows, and that an exchange keeps to it."""

import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import product

import pytest

from sidecar.errors import ClientGone, Refusal
from sidecar.exchange.client import Exchange
from sidecar.exchange.states import (
    REQUEST,
    RESPONSE,
    IllegalEvent,
    RequestEvent,
    RequestState,
    ResponseEvent,
    ResponseState,
    next_of_request,
    next_of_response,
)
from sidecar.http.http1 import CHUNKED, Headers, RequestHead
from sidecar.rules.answers import Answer
from sidecar.sockets.loop import Loop
from support.sidecars.loops import PATIENCE_SECONDS, run, wire_of

BUSY = Answer(503, "too-busy", "try again")
REQUEST_STATES: tuple[RequestState, ...] = ("expecting", "arriving", "received", "lost")
REQUEST_EVENTS: tuple[RequestEvent, ...] = ("invite", "end", "lose")
RESPONSE_STATES: tuple[ResponseState, ...] = ("pending", "begun", "sending", "complete", "broken")
RESPONSE_EVENTS: tuple[ResponseEvent, ...] = ("begin", "send", "answer", "finish", "break")


@pytest.mark.parametrize(("state", "event"), list(product(REQUEST_STATES, REQUEST_EVENTS)))
def test_an_event_of_a_request_leads_where_its_table_says_or_raises(
    state: RequestState, event: RequestEvent
) -> None:
    if (state, event) in REQUEST:
        assert next_of_request(state, event) == REQUEST[state, event]
        return
    with pytest.raises(IllegalEvent, match=f"{event} .* {state}"):
        next_of_request(state, event)


@pytest.mark.parametrize(("state", "event"), list(product(RESPONSE_STATES, RESPONSE_EVENTS)))
def test_an_event_of_a_response_leads_where_its_table_says_or_raises(
    state: ResponseState, event: ResponseEvent
) -> None:
    if (state, event) in RESPONSE:
        assert next_of_response(state, event) == RESPONSE[state, event]
        return
    with pytest.raises(IllegalEvent, match=f"{event} .* {state}"):
        next_of_response(state, event)


@pytest.mark.parametrize(
    ("table", "first", "states", "events", "ends"),
    [
        (
            REQUEST,
            {"expecting", "arriving", "received"},
            REQUEST_STATES,
            REQUEST_EVENTS,
            {"received", "lost"},
        ),
        (RESPONSE, {"pending"}, RESPONSE_STATES, RESPONSE_EVENTS, {"broken"}),
    ],
)
def test_each_state_is_reached_and_only_the_last_states_lead_nowhere(
    table: Mapping[tuple[str, str], str],
    first: set[str],
    states: tuple[str, ...],
    events: tuple[str, ...],
    ends: set[str],
) -> None:
    assert first | set(table.values()) == set(states)
    assert {event for _, event in table} == set(events)
    assert set(states) - {state for state, _ in table} == ends


def test_a_response_can_be_broken_in_every_state_but_the_last() -> None:
    """The edges abandon an exchange whatever its state is, and must not fail there."""
    assert {state for state, event in RESPONSE if event == "break"} == set(RESPONSE_STATES) - {"broken"}


class Scene:
    """An exchange, and the client's end of its connection."""

    def __init__(self, loop: Loop, here: socket.socket, client: socket.socket, head: RequestHead) -> None:
        self.client = client
        self.wire = wire_of(loop, here)
        self.exchange = Exchange(self.wire, head, memoryview(bytearray(1000)))

    async def read(self) -> bytes:
        return bytes(await self.exchange.read_body(self.wire))

    def begin(self) -> bytes:
        return self.exchange.begin(200, b"OK", [], 5)

    async def send(self, data: bytes = b"hello") -> None:
        await self.exchange.send(b"", data)

    async def drain_nothing(self) -> None:
        """Whatever comes is no body that could be drained, and the connection ends."""
        self.client.sendall(b"more")
        await self.exchange.drain()
        assert await self.wire.receive_bytes(PATIENCE_SECONDS + time.monotonic()) == b"more"
        assert not self.exchange.keeps_connection


Play = Callable[[Scene], Awaitable[None]]


def request(length: int = 0, headers: Headers | None = None) -> RequestHead:
    return RequestHead("POST" if length else "GET", "/", "1.1", headers or [], length)


def perform(play: Play, head: RequestHead | None = None) -> None:
    loop = Loop()
    here, there = socket.socketpair()
    there.settimeout(PATIENCE_SECONDS)

    async def performs() -> None:
        await play(Scene(loop, here, there, head or request()))

    with here, there:
        run(loop, performs())


def test_a_request_without_content_gets_no_100_continue() -> None:
    """It would wait for nothing, and the connection can be used again."""

    async def play(scene: Scene) -> None:
        assert await scene.read() == b""
        await scene.exchange.answer(BUSY)
        assert scene.client.recv(100).startswith(b"HTTP/1.1 503 ")
        assert scene.exchange.keeps_connection

    perform(play, RequestHead("POST", "/", "1.1", [(b"expect", b"100-continue")], 0))


def test_a_response_that_ended_keeps_the_connection() -> None:
    async def play(scene: Scene) -> None:
        scene.begin()
        assert scene.exchange.can_answer, "no octet of it has been sent"
        await scene.send()
        assert not scene.exchange.can_answer
        assert not scene.exchange.keeps_connection, "it may not be whole"
        await scene.exchange.finish()
        assert scene.exchange.keeps_connection

    perform(play)


def test_an_answer_of_our_own_takes_the_place_of_a_response_that_was_not_sent() -> None:
    async def play(scene: Scene) -> None:
        scene.begin()
        await scene.exchange.answer(BUSY)
        assert scene.client.recv(1000).startswith(b"HTTP/1.1 503 try again")
        assert scene.exchange.keeps_connection

    perform(play)


async def _answers(scene: Scene) -> None:
    await scene.exchange.answer(BUSY)


async def _begins(scene: Scene) -> None:
    scene.begin()


async def _sends(scene: Scene) -> None:
    await scene.send()


async def _finishes(scene: Scene) -> None:
    await scene.exchange.finish()


async def _breaks(scene: Scene) -> None:
    await scene.exchange.break_off()


@pytest.mark.parametrize(
    "steps",
    [
        [_sends],
        [_finishes],
        [_begins, _begins],
        [_begins, _finishes],
        [_begins, _sends, _answers],
        [_begins, _sends, _begins],
        [_begins, _sends, _finishes, _sends],
        [_answers, _answers],
        [_answers, _begins],
        [_answers, _finishes],
        [_breaks, _answers],
        [_breaks, _begins],
        [_breaks, _breaks],
    ],
)
def test_a_step_out_of_turn_raises_and_sends_nothing(steps: list[Play]) -> None:
    *before, last = steps

    async def play(scene: Scene) -> None:
        for step in before:
            await step(scene)
        scene.client.setblocking(False)
        while before and before[-1] is not _begins and before[-1] is not _breaks:
            if len(scene.client.recv(1000)) < 1000:
                break
        with pytest.raises(IllegalEvent):
            await last(scene)
        with pytest.raises(BlockingIOError):
            scene.client.recv(1000)

    perform(play)


def test_a_body_is_read_to_its_end_and_once_more() -> None:
    """The next read finds the end again: who streams it stops at an empty piece."""

    async def play(scene: Scene) -> None:
        scene.client.sendall(b"hello")
        assert await scene.read() == b"hello"
        assert await scene.read() == await scene.read() == b""
        await scene.exchange.answer(BUSY)
        assert scene.exchange.keeps_connection

    perform(play, request(5))


def test_a_body_that_nobody_read_ends_the_connection() -> None:
    async def play(scene: Scene) -> None:
        await scene.exchange.answer(BUSY)
        assert b"\r\nconnection: close\r\n" in scene.client.recv(1000)
        scene.client.sendall(b"hello")
        await scene.exchange.drain()
        assert not scene.exchange.keeps_connection, "the client was told that it closes"

    perform(play, request(5))


def test_a_body_that_breaks_its_coding_is_not_read_again() -> None:
    async def play(scene: Scene) -> None:
        scene.client.sendall(b"no length\r\n")
        with pytest.raises(Refusal, match="malformed"):
            await scene.read()
        await scene.exchange.answer(BUSY)
        await scene.drain_nothing()

    perform(play, request(CHUNKED))


def test_a_client_is_invited_once() -> None:
    async def play(scene: Scene) -> None:
        scene.client.sendall(b"hello")
        assert await scene.read() == b"hello"
        assert await scene.read() == b""
        assert scene.client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"

    perform(play, request(5, [(b"expect", b"100-continue")]))


def test_a_body_that_was_not_invited_is_not_waited_for() -> None:
    async def play(scene: Scene) -> None:
        await scene.exchange.answer(BUSY)
        await scene.drain_nothing()

    perform(play, request(5, [(b"expect", b"100-continue")]))


def test_a_client_that_leaves_ends_the_exchange() -> None:
    async def play(scene: Scene) -> None:
        scene.begin()
        scene.client.close()
        with pytest.raises(ClientGone):
            await scene.send()
        scene.exchange.abandon()
        assert not scene.exchange.can_answer
        assert not scene.exchange.keeps_connection

    perform(play)
