"""Tasks of a process that end together, and in order on SIGTERM."""

import asyncio
import selectors
import signal
from collections.abc import Coroutine
from typing import Any

Task = Coroutine[Any, Any, None]


def run(main: Task) -> None:
    """Run a process of the product until its main coroutine ends.

    The loop waits by poll(2). The kernel bounds the watches of epoll(7) for each user id on a machine, and
    any Pod may choose our user id and take all of them. At the 768 connections that `limits.doors` admits, a
    wait takes some 0.1 ms longer than by epoll.
    """
    with asyncio.Runner(loop_factory=_make_loop) as runner:
        runner.run(main)


def _make_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.PollSelector())


def stop_on_signals() -> asyncio.Event:
    """Set at SIGTERM and at Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def together(serving: Task, *others: Task) -> None:
    """Run until `serving` ends, then cancel the other tasks. If a task fails, all end, and Kubernetes starts
    the process anew."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(task) for task in others]
        await group.create_task(serving)
        for task in tasks:
            task.cancel()


async def done_before(start: Task, stop: asyncio.Event) -> bool:
    """Whether `start` is done before `stop` is set. If not, it is cancelled."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    is_done = starting.done()
    starting.cancel()
    stopping.cancel()
    if is_done:
        starting.result()
    return is_done
