"""Attempts at the registry with its credential: when each request may go, by `trust` and by `places`.

`trust` decides, this waits. Everything runs in the loop's thread, so a state changes only while others wait.
"""

import os
from collections.abc import Callable

from sidecar.contract import CREDENTIAL_REFUSED, CREDENTIAL_RESTS, REQUEST_REFUSED, Grant
from sidecar.errors import ClientGone, CredentialRefused, Refusal
from sidecar.log import Log
from sidecar.loop import Loop, Task
from sidecar.places import RETRY_SECONDS, WAIT_SECONDS, Places
from sidecar.trust import Answer, Go, Rest, Trust, Wait, ask, end, may_try_again
from sidecar.wire import Watched

SECOND_SECONDS = (0.25, 0.75)
"""Shortest and longest pause before a refused request is tried once more: so requests that were refused
together do not come back together; arbitrary"""
VERSIONS = 16
"""That are remembered, for each action: a version that comes back is not tried anew. The oldest goes"""

_AHEAD = f"the registry has not answered the requests before this one for {WAIT_SECONDS:.0f} s: try again"
_FRESH = Trust()
_UNJUDGED = (403, 407, 429)

Key = tuple[str, str]
"""Action and version"""


class Attempt:
    """One request that may go; it holds a place at the registry until `Attempts.leave`."""

    __slots__ = ("go", "key")

    def __init__(self, key: Key, go: Go | None) -> None:
        self.key = key
        self.go = go
        """None: without a credential there is nothing to be trusted"""

    @property
    def is_awaited(self) -> bool:
        """Whether its answer is waited for even if its client leaves."""
        return self.go is not None and self.go.is_awaited


class Attempts:
    """Of one connector. `clock` is monotonic, in seconds, as `Loop.now`."""

    def __init__(
        self, connector: str, loop: Loop, log: Log, clock: Callable[[], float] | None = None
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._log = log
        self._clock = clock
        self._trusts: dict[Key, Trust] = {}
        self._unanswered: dict[Key, int] = {}
        self._places = Places(loop)
        self._waiting: set[Task] = set()
        self._number = 0

    async def begin(
        self, action: str, grant: Grant, subject: str, client: Watched, *, is_second: bool = False
    ) -> Attempt:
        """Wait until this request may go. Raises CredentialRefused, ClientGone, or a 503 after a long wait.

        `subject`: what a 401 would be about; empty where nobody can tell.
        """
        key = (action, grant.version)
        while True:
            attempt = Attempt(key, await self._admit(key, grant, subject, client, is_second=is_second))
            if self._places.take_free(grant.max_connections):
                return attempt
            try:
                await self._places.take(client)
            except BaseException:
                self.judge(attempt, "unjudged")
                raise
            if self._is_still_admitted(attempt):
                return attempt
            self._places.leave()
            self._leave_crowd(key)

    def leave(self) -> None:
        """Give up the place, once the answer has been read, or never comes."""
        self._places.leave()

    def judge(self, attempt: Attempt, answer: Answer) -> None:
        """Tell how the request was answered; the first word counts."""
        go, attempt.go = attempt.go, None
        if go is None:
            return
        key = attempt.key
        self._leave_crowd(key)
        before = self._trusts.get(key, _FRESH)
        after = end(before, go, answer, self._now())
        if after is not before:
            self._trusts[key] = after
            self._tell(key, before, after)
        for task in self._waiting:
            self._loop.wake(task)

    def _leave_crowd(self, key: Key) -> None:
        self._unanswered[key] -= 1
        if not self._unanswered[key]:
            del self._unanswered[key]

    def refusal(self, key: Key, subject: str) -> CredentialRefused:
        """The refusal for a 401, in the words of what is known by now."""
        trust = self._trusts.get(key, _FRESH)
        code = _code(trust, subject)
        seconds = max(0.0, trust.try_at - self._now()) if trust.rests(subject) else 0.0
        return CredentialRefused(self._connector, code, seconds)

    def may_try_again(self, key: Key, go: Go) -> bool:
        return may_try_again(self._trusts.get(key, _FRESH), go)

    async def pause(self, client: Watched) -> None:
        """Before a second try; of random length. Raises ClientGone."""
        shortest, longest = SECOND_SECONDS
        share = os.urandom(1)[0] / 255  # importing `random` takes 5 ms
        until = self._loop.now + shortest + share * (longest - shortest)
        while self._loop.now < until:
            if client.is_gone:
                raise ClientGone
            await self._loop.suspend(until)

    async def _admit(
        self, key: Key, grant: Grant, subject: str, client: Watched, *, is_second: bool
    ) -> Go | None:
        if grant.credential is None:
            return None
        self._number += 1
        number = self._number
        deadline = self._loop.now + WAIT_SECONDS
        while True:
            trust = self._trusts.get(key, _FRESH)
            others = self._unanswered.get(key, 0)
            after, step = ask(trust, self._now(), number, subject, others=others, is_second=is_second)
            if after is not trust:
                self._remember(key, after)
            if isinstance(step, Go):
                self._unanswered[key] = others + 1
                return step
            if isinstance(step, Rest):
                raise self.refusal(key, subject)
            if self._loop.now >= deadline:
                raise Refusal(503, "registry-busy", _AHEAD, retry_after=RETRY_SECONDS)
            await self._wait(step, client, deadline)

    async def _wait(self, step: Wait, client: Watched, deadline: float) -> None:
        if client.is_gone:
            raise ClientGone
        task = self._loop.current
        self._waiting.add(task)
        await self._loop.suspend(min(deadline, self._loop.now + max(0.0, step.until - self._now())))
        self._waiting.discard(task)

    def _is_still_admitted(self, attempt: Attempt) -> bool:
        """After a wait for a place the version may rest: who goes alone goes all the same."""
        go = attempt.go
        return go is None or go.is_lone or go.epoch == self._trusts.get(attempt.key, _FRESH).epoch

    def _remember(self, key: Key, trust: Trust) -> None:
        self._trusts[key] = trust
        if len(self._trusts) > VERSIONS:
            del self._trusts[next(iter(self._trusts))]

    def _now(self) -> float:
        return self._loop.now if self._clock is None else self._clock()

    def _tell(self, key: Key, before: Trust, after: Trust) -> None:
        """One line when a version comes to rest, and one when it is accepted again."""
        was_resting, is_resting = before.rests(""), after.rests("")
        if is_resting and not was_resting:
            detail = str(self.refusal(key, ""))
            code = _code(after, "")
            self._log.write(
                "warning", code, connector=self._connector, action=key[0], version=key[1], detail=detail
            )
        elif was_resting and not is_resting:
            self._log.write(
                "info", "credential accepted again", connector=self._connector, action=key[0], version=key[1]
            )


def answer_of_status(status: int) -> Answer:
    """What a registry's answer says of the credential that it was sent."""
    if status == 401:
        return "refused"
    return "unjudged" if status in _UNJUDGED or status >= 500 else "accepted"


def _code(trust: Trust, subject: str) -> str:
    if not trust.is_accepted:
        return CREDENTIAL_REFUSED
    return CREDENTIAL_RESTS if trust.rests("") else REQUEST_REFUSED
