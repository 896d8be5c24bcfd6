"""The grant of a connector: fetched once for all requests that wait, used for its life, ended by a refusal.

`life` decides, and this module asks and waits. Everything but the question itself runs in the loop's thread,
so a state changes only at a wait. A question blocks, and takes a thread. There is never a second question
under way.
"""

import math
from collections.abc import Callable

from sidecar.contract.grant import Grant
from sidecar.errors import BrokerError, BrokerRefused, BrokerUnreachable, UpstreamUnreachable
from sidecar.grants.life import (
    Ask,
    Life,
    asked,
    failed,
    fetched,
    next_renewal,
    next_step,
    unasked,
    young_grant,
)
from sidecar.grants.trust import Wait
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.threads import Threads

Fetch = Callable[[str | None, str | None], Grant]
"""Rejected version and its cause, or None twice → grant; raises BrokerRefused or BrokerUnreachable"""

REFRESH_SECONDS = 1.0
"""A request with a grant whose soft life is over waits this long for the next grant, and then uses the old"""
NEWER_SECONDS = 2.0
"""A request that is refused while its credential rests waits this long for a newer credential"""


class _Question:
    """A question to the broker, and its outcome: a grant or an error."""

    __slots__ = ("cause", "error", "grant", "is_done", "rejected")

    def __init__(self, rejected: str | None, cause: str | None) -> None:
        self.rejected = rejected
        self.cause = cause
        self.is_done = False
        self.grant: Grant | None = None
        self.error: Exception | None = None

    def result(self) -> Grant | None:
        """Raises the error. None: there is no answer yet."""
        try:
            if self.error is not None:
                raise self.error
            return self.grant
        finally:
            self.error = None  # its traceback holds this frame, which holds the question: a circle


class Grants:
    """For tasks of the loop. `clock` is monotonic, in seconds, as `Loop.now`."""

    def __init__(
        self, fetch: Fetch, loop: Loop, threads: Threads, clock: Callable[[], float] | None = None
    ) -> None:
        self._fetch = fetch
        self._loop = loop
        self._threads = threads
        self._clock = clock
        self._life = Life()
        self._waiting: set[Task] = set()

    async def get(self) -> Grant:
        """Raises BrokerRefused or BrokerUnreachable.

        A broker that hangs holds up no request with a usable grant. Without a grant, a request waits for a
        broker that cannot be reached: it may be rolled.
        """
        return young_grant(self._life, self._now()) or await self._get_or_ask()

    async def renew(self, refused: Grant, cause: str, *, is_urgent: bool = False) -> Grant | None:
        """A grant of another version than `refused`, or None for now. `cause`: a member of `CAUSES`.

        Raises BrokerRefused or BrokerUnreachable. `is_urgent`: return None after `NEWER_SECONDS` too.
        """
        deadline = self._now() + NEWER_SECONDS if is_urgent else math.inf
        while True:
            step = _checked(next_renewal(self._life, self._now(), refused.version, cause))
            if isinstance(step, Ask):
                newer = (await self._ask(_Question(refused.version, cause), deadline)).result()
                return None if newer is None or newer.version == refused.version else newer
            if not isinstance(step, Wait):
                return step
            if self._now() >= deadline:
                return None
            await self._wait(deadline)

    async def _get_or_ask(self) -> Grant:
        came = self._now()
        while True:
            step = _checked(next_step(self._life, self._now(), came))
            if isinstance(step, Grant):
                return step
            if isinstance(step, Wait):
                await self._wait(step.until)
            elif isinstance(step, Ask) and (grant := await self._ask_for_grant(step.usable)):
                return grant

    async def _ask_for_grant(self, usable: Grant | None) -> Grant | None:
        """The broker's grant; or `usable`, which may be None, if the broker does not answer."""
        deadline = math.inf if usable is None else self._now() + REFRESH_SECONDS
        question = await self._ask(_Question(None, None), deadline)
        try:
            return question.result() or usable
        except BrokerUnreachable:
            return usable

    async def _ask(self, question: _Question, deadline: float) -> _Question:
        """Begin a question, and wait for its answer until the deadline. It goes on after that."""
        self._life = asked(self._life, self._now(), question.rejected, question.cause)
        self._loop.spawn(self._put(question))
        while not question.is_done and self._now() < deadline:
            await self._wait(deadline)
        return question

    async def _put(self, question: _Question) -> None:
        """A task of its own: the request that began it may stop waiting."""
        rejected, cause = question.rejected, question.cause
        try:
            question.grant = await self._threads.run(lambda: self._fetch(rejected, cause))
            self._life = fetched(self._life, self._now(), question.grant)
        except UpstreamUnreachable as error:  # there is no thread for it
            question.error = error
            self._life = unasked(self._life, rejected, cause)
        except BrokerUnreachable as error:
            question.error = error
            self._life = failed(unasked(self._life, rejected, cause), self._now(), error)
        except BrokerRefused as error:
            question.error = error
            self._life = failed(self._life, self._now(), error)
        except Exception as error:  # noqa: BLE001 (the request that began the question raises it)
            question.error = error
            fault = BrokerUnreachable("the broker's client failed")
            self._life = failed(self._life, self._now(), fault)
        question.is_done = True
        for task in self._waiting:
            self._loop.wake(task)

    async def _wait(self, until: float) -> None:
        """Wait for the end of a question, or for this time. May return early."""
        task = self._loop.current
        self._waiting.add(task)
        clock = self._clock
        await self._loop.suspend(until if clock is None else self._loop.now + max(0.0, until - clock()))
        self._waiting.discard(task)

    def _now(self) -> float:
        return self._loop.now if self._clock is None else self._clock()


def _checked(step: Grant | Ask | Wait | BrokerError | None) -> Grant | Ask | Wait | None:
    """Raises the error of a decision."""
    if isinstance(step, BrokerError):
        try:
            # a traceback would grow with each raise, and hold the frames of every request
            raise step.with_traceback(None)
        finally:
            del step  # the traceback holds this frame: a circle
    return step
