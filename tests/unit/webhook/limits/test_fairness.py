"""Places shared out by namespace: the right to a place, the order of turns, and no loss of a place."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest

from webhook.limits.fair_slots import FairSlots
from webhook.limits.fairness import may_take, next_namespace


@pytest.mark.parametrize(
    ("waiting", "held", "free", "expected"),
    [
        ([], {}, 4, None),
        (["a", "b"], {}, 4, "a"),
        (["a", "b"], {"a": 1}, 3, "b"),
        (["a", "b"], {"a": 1, "b": 1}, 2, "a"),
        # a namespace alone may have half of the places
        (["a"], {"a": 2}, 2, None),
        (["a", "b"], {"a": 2}, 2, "b"),
        (["a", "b"], {"a": 2, "b": 1}, 1, None),
        (["a", "b", "c"], {"a": 2, "b": 1}, 1, "c"),
        (["c"], {"a": 4}, 0, None),
    ],
)
def test_the_next_place_is_for_the_namespace_with_the_fewest(
    waiting: list[str], held: dict[str, int], free: int, expected: str | None
) -> None:
    assert next_namespace(waiting, held, free) == expected


@pytest.mark.parametrize(("namespaces", "shares"), [(1, [8]), (2, [8, 4]), (9, [8, 4, 2, 1, 1, 0, 0, 0, 0])])
def test_each_later_namespace_gets_half_of_the_rest(namespaces: int, shares: list[int]) -> None:
    held = [0] * namespaces
    for number in range(namespaces):
        while may_take(held[number], 16 - sum(held)):
            held[number] += 1
    assert held == shares


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 10))


class Work:
    """Tasks that hold a place until they are let go."""

    def __init__(self, total: int) -> None:
        self.slots = FairSlots(total)
        self.begun: list[str] = []
        self.under_way: Counter[str] = Counter()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._may_end: dict[str, asyncio.Event] = {}

    async def begin(self, *names: str) -> None:
        """`namespace-number`"""
        for name in names:
            self._may_end[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._hold(name))
        await asyncio.sleep(0)

    async def end(self, *names: str) -> None:
        for name in names:
            self._may_end[name].set()
            await self.tasks[name]
        await asyncio.sleep(0)

    async def _hold(self, name: str) -> None:
        namespace = name.partition("-")[0]
        async with self.slots.hold(namespace):
            self.begun.append(name)
            self.under_way[namespace] += 1
            await self._may_end[name].wait()
            self.under_way[namespace] -= 1


def test_a_namespace_is_served_in_order_and_delays_no_other() -> None:
    async def story() -> None:
        work = Work(4)
        await work.begin(*(f"a-{number}" for number in range(5)))
        assert work.begun == ["a-0", "a-1"]
        await work.begin("b-0")
        assert work.begun == ["a-0", "a-1", "b-0"]
        await work.end("a-0")
        assert work.begun[3:] == ["a-2"]
        await work.end("b-0", "a-1", "a-2")
        assert work.begun[4:] == ["a-3", "a-4"]
        await work.end("a-3", "a-4")

    run(story())


def test_namespaces_take_turns() -> None:
    async def story() -> None:
        work = Work(2)  # a place for each of two namespaces
        await work.begin("a-0", "a-1", "a-2", "b-0", "b-1", "c-0")
        assert work.begun == ["a-0", "b-0"]
        for name in ("a-0", "b-0", "a-1", "b-1", "c-0"):
            await work.end(name)
        assert work.begun[2:] == ["a-1", "b-1", "c-0", "a-2"]
        await work.end("a-2")

    run(story())


def test_no_place_is_lost_whenever_a_task_is_cancelled() -> None:
    async def story() -> None:
        work = Work(4)
        await work.begin("a-0", "a-1", "a-2", "a-3")
        work.tasks["a-2"].cancel()  # waits
        await asyncio.sleep(0)
        work.tasks["a-0"].cancel()  # holds
        await asyncio.sleep(0)
        work.tasks["a-3"].cancel()  # gets a place at this moment
        await asyncio.sleep(0)
        await work.begin("a-4", "b-0", "b-1")
        assert {"a-4", "b-0"} <= set(work.begun)
        await work.end("a-1", "a-4", "b-0", "b-1")
        assert (work.slots._free, dict(work.slots._held), len(work.slots._waiting)) == (4, {}, 0)

    run(story())


def test_many_tasks_that_come_and_go_leave_nothing_behind() -> None:
    async def story() -> None:
        slots = FairSlots(16)
        most = 0
        now = 0

        async def work(number: int) -> None:
            nonlocal most, now
            async with slots.hold(f"n-{number % 7}"):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

        tasks = [asyncio.create_task(work(number)) for number in range(2000)]
        for task in tasks[::3]:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert 12 <= most <= 16
        assert (slots._free, dict(slots._held), len(slots._waiting)) == (16, {}, 0)

    run(story())
