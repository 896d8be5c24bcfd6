"""Turns of heavy work: whose is next, and the pauses in which other requests get through."""

import asyncio
from typing import cast

import pytest

from support.machine.virtual_time import VirtualLoop, run_virtually
from webhook.limits.long_turns import PAUSE_LIMIT, LongTurns


class Shift:
    """Heavy work in turns, with a note of each."""

    def __init__(self) -> None:
        self._turns = LongTurns()
        self._loop = cast("VirtualLoop", asyncio.get_running_loop())
        self.done: list[str] = []
        self.begins: list[float] = []

    async def work(self, name: str, seconds: float = 0.08) -> None:
        """`namespace-number`. The loop runs nothing else for `seconds`."""
        async with self._turns.take(name.partition("-")[0]):
            self.begins.append(self._loop.now)
            self._loop.now += seconds
            self.done.append(name)


def test_namespaces_take_turns_however_many_requests_each_has() -> None:
    async def story() -> None:
        shift = Shift()
        await asyncio.gather(*map(shift.work, ["a-0", "a-1", "a-2", "a-3", "b-0", "c-0", "b-1"]))
        assert shift.done == ["a-0", "a-1", "b-0", "c-0", "a-2", "b-1", "a-3"]

    run_virtually(story())


def test_a_namespace_that_is_not_known_has_turns_too() -> None:
    async def story() -> None:
        shift = Shift()
        await asyncio.gather(*map(shift.work, ["", "", "", "a-0"]))
        assert shift.done == ["", "", "a-0", ""]

    run_virtually(story())


def test_a_request_of_many_passes_meets_a_single_turn() -> None:
    async def story() -> None:
        shift = Shift()
        crowd = [asyncio.create_task(shift.work(f"a-{number}")) for number in range(16)]
        begin = asyncio.get_running_loop().time()
        for _ in range(12):
            await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() - begin == pytest.approx(0.08)
        assert len(shift.done) == 1
        await asyncio.gather(*crowd)
        gaps = [after - before for before, after in zip(shift.begins, shift.begins[1:], strict=False)]
        assert gaps == pytest.approx([0.16] * 15)

    run_virtually(story())


def test_the_first_turn_after_a_while_waits_for_nothing_and_a_slow_turn_brings_a_short_pause() -> None:
    async def story() -> None:
        shift = Shift()
        await shift.work("a-0", 5.0)
        await shift.work("a-1")
        await asyncio.sleep(10)
        await shift.work("a-2")
        first, second, third = shift.begins
        assert second - first == pytest.approx(5.0 + PAUSE_LIMIT)
        assert third - second == pytest.approx(0.08 + 10)

    run_virtually(story())


def test_a_task_that_is_cancelled_in_line_or_in_a_pause_holds_up_nobody() -> None:
    async def story() -> None:
        shift = Shift()
        tasks = [asyncio.create_task(shift.work(f"a-{number}")) for number in range(4)]
        for _ in range(4):
            await asyncio.sleep(0)
        assert shift.done == ["a-0"]
        tasks[1].cancel()  # in its pause
        tasks[2].cancel()  # in line
        await asyncio.gather(*tasks, return_exceptions=True)
        assert shift.done == ["a-0", "a-3"]

    run_virtually(story())
