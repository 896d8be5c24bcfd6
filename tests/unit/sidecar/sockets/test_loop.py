"""The sidecar's event loop and its threads: who waits is woken, in time, and nobody holds up the others."""

import threading
import time
from typing import Any

import pytest

from sidecar.errors import UpstreamUnreachable
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads
from support.sidecars.loops import PATIENCE_SECONDS, run


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_deadlines_are_kept_in_their_order_whatever_the_order_of_asking(loop: Loop) -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        deadline = loop.now + seconds
        while loop.now < deadline:
            await loop.suspend(deadline)
        woken.append(seconds)

    started = time.monotonic()
    run(loop, sleep(0.06), sleep(0.02), sleep(0.04))
    assert woken == [0.02, 0.04, 0.06]
    assert time.monotonic() - started < PATIENCE_SECONDS / 2


def test_a_task_that_never_has_to_wait_lets_the_others_have_their_turn(loop: Loop) -> None:
    turns: list[str] = []

    async def busy(name: str) -> None:
        for _ in range(3):
            turns.append(name)
            await loop.pause()

    run(loop, busy("a"), busy("b"))
    assert turns == ["a", "b"] * 3


def test_a_thread_gives_its_result_or_its_error_while_others_go_on(loop: Loop) -> None:
    threads = Threads(loop)
    may_end = threading.Event()
    found: list[Any] = []

    def fails() -> int:
        raise ValueError("of the thread")

    async def waits() -> None:
        found.append(await threads.run(lambda: may_end.wait(PATIENCE_SECONDS)))
        with pytest.raises(ValueError, match="of the thread"):
            await threads.run(fails)

    async def goes_on() -> None:
        for _ in range(3):
            await loop.pause()
        may_end.set()

    run(loop, waits(), goes_on())
    assert found == [True]


def test_threads_are_shared_and_bounded(loop: Loop) -> None:
    threads = Threads(loop)
    names: set[str] = set()

    async def one() -> None:
        await threads.run(lambda: names.add(threading.current_thread().name))

    run(loop, *(one() for _ in range(500)))
    assert 1 <= len(names) <= 64


def test_without_a_thread_to_be_had_it_is_an_error_with_a_sentence(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def asks() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none_left)
            with pytest.raises(UpstreamUnreachable, match="the limit of threads is reached"):
                await Threads(loop).run(lambda: None)

    run(loop, asks())
