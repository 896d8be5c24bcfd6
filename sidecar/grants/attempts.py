"""Attempts at the registry with its credential: when each request may go, by `trust` and by `places`.

`trust` decides, and this module waits. Everything runs in the loop's thread, so a state changes only at a
wait.
"""

import os
from collections.abc import Callable

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code, Line
from sidecar.errors import ClientGone, CredentialRefused, Refusal
from sidecar.grants.trust import GOOD, Go, Rest, Trust, Verdict, ask, end, may_try_again
from sidecar.log import Log
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.places import RETRY_SECONDS, WAIT_SECONDS, Places
from sidecar.sockets.wire import Wire

SECOND_SECONDS = (0.25, 0.75)
"""Shortest and longest pause before a refused request is tried once more: requests that were refused together
do not come back together. Arbitrary"""
VERSIONS = 16
"""Versions remembered for each action: a version that comes back is not tried anew. The oldest is evicted"""

_AHEAD = f"the registry has not answered the requests before this one for {WAIT_SECONDS:.0f} s: try again"
_UNJUDGED = (407, 429)


class Standing:
    """How one version stands with the registry, for one action."""

    __slots__ = ("action", "go", "is_anonymous", "trust", "unanswered", "version")

    def __init__(self, action: str, grant: Grant) -> None:
        self.action = action
        self.version = grant.version
        self.is_anonymous = grant.credential is None
        """No account can be locked: every request may go, whatever the answers are"""
        self.trust = Trust()
        self.go = GOOD if self.is_anonymous else None
        """The step of every request in the usual case, in which nothing has to be decided; else None"""
        self.unanswered = 0


class Attempts:
    """The attempts of one connector. `clock` is monotonic, in seconds, as `Loop.now`."""

    def __init__(
        self, connector: str, loop: Loop, log: Log, clock: Callable[[], float] | None = None
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._log = log
        self._clock = clock
        self._standings: dict[tuple[str, str], Standing] = {}
        self._places = Places(loop)
        self._waiting: set[Task] = set()
        self._number = 0

    def standing(self, action: str, grant: Grant) -> Standing:
        standing = self._standings.get((action, grant.version))
        if standing is None:
            standing = self._standings[action, grant.version] = Standing(action, grant)
            if len(self._standings) > 2 * VERSIONS:
                del self._standings[next(iter(self._standings))]
        return standing

    def begin_at_once(self, standing: Standing, limit: int) -> Go | None:
        """A place, and permission to go, if nothing has to be awaited or decided; else None."""
        go = standing.go
        if go is None or not self._places.take_free(limit):
            return None
        standing.unanswered += 1
        return go

    async def begin(
        self, standing: Standing, limit: int, subject: str, client: Wire, *, is_second: bool = False
    ) -> Go:
        """Wait for place and permission. Raises CredentialRefused, ClientGone, or a 503 after a long wait.

        `subject`: the package that a 401 would be about; empty if unknown.
        """
        while True:
            go = await self._admit(standing, subject, client, is_second=is_second)
            if self._places.take_free(limit):
                return go
            try:
                await self._places.take(client)
            except BaseException:
                self.judge(standing, go, "unjudged", subject)
                raise
            if go.is_lone or go.epoch == standing.trust.epoch:
                return go
            self._places.leave()  # the version may rest by now
            standing.unanswered -= 1

    def leave(self) -> None:
        """Give back the place: the answer has been read, or will never come."""
        self._places.leave()

    def judge(self, standing: Standing, go: Go, verdict: Verdict, subject: str) -> None:
        """Report how the request was answered; once for each request."""
        standing.unanswered -= 1
        if verdict == "accepted" and standing.go is not None and not go.is_lone:
            return
        if standing.is_anonymous:
            return
        before = standing.trust
        standing.trust = end(before, go, verdict, self._now(), subject)
        self._settle(standing)
        self._log_change(standing, before)
        for task in self._waiting:
            self._loop.wake(task)

    def refusal(self, standing: Standing, subject: str) -> CredentialRefused:
        """The refusal for a 401, with the code that the present state gives."""
        trust = standing.trust
        seconds = max(0.0, trust.try_at - self._now()) if trust.rests(subject) else 0.0
        return CredentialRefused(self._connector, _code(trust), seconds)

    def may_try_again(self, standing: Standing, go: Go, subject: str) -> bool:
        return may_try_again(standing.trust, go, subject)

    async def pause(self, client: Wire) -> None:
        """Wait for a random time before a second try. Raises ClientGone."""
        shortest, longest = SECOND_SECONDS
        share = os.urandom(1)[0] / 255  # importing `random` takes 5 ms
        until = self._loop.now + shortest + share * (longest - shortest)
        while self._loop.now < until:
            if client.is_gone:
                raise ClientGone
            await self._loop.suspend(until)

    async def _admit(self, standing: Standing, subject: str, client: Wire, *, is_second: bool) -> Go:
        if standing.is_anonymous:
            standing.unanswered += 1
            return GOOD
        self._number += 1
        number = self._number
        deadline = self._loop.now + WAIT_SECONDS
        while True:
            others = standing.unanswered
            standing.trust, step = ask(
                standing.trust, self._now(), number, subject, others=others, is_second=is_second
            )
            if isinstance(step, Go):
                standing.unanswered += 1
                return step
            if isinstance(step, Rest):
                raise self.refusal(standing, subject)
            if self._loop.now >= deadline:
                raise Refusal(503, Code.REGISTRY_BUSY, _AHEAD, retry_after=RETRY_SECONDS)
            await self._wait(step.until, client, deadline)

    async def _wait(self, until: float, client: Wire, deadline: float) -> None:
        if client.is_gone:
            raise ClientGone
        task = self._loop.current
        self._waiting.add(task)
        await self._loop.suspend(min(deadline, self._loop.now + max(0.0, until - self._now())))
        self._waiting.discard(task)

    def _settle(self, standing: Standing) -> None:
        trust = standing.trust
        if not trust.is_good or trust.unheard:
            standing.go = None
        elif standing.go is None or standing.go.epoch != trust.epoch:
            standing.go = GOOD._replace(epoch=trust.epoch)

    def _now(self) -> float:
        return self._loop.now if self._clock is None else self._clock()

    def _log_change(self, standing: Standing, before: Trust) -> None:
        """Log a line when a version comes to rest, and when it is accepted again."""
        was_resting, is_resting = before.rests(""), standing.trust.rests("")
        if was_resting == is_resting:
            return
        self._log.write(
            "warning" if is_resting else "info",
            _code(standing.trust) if is_resting else Line.CREDENTIAL_ACCEPTED,
            connector=self._connector,
            action=standing.action,
            version=standing.version,
            detail=str(self.refusal(standing, "")) if is_resting else None,
        )


def verdict_of(status: int) -> Verdict:
    """The meaning of a registry's status for the credential."""
    if status == 401:
        return "refused"
    if status == 403:
        return "forbidden"
    return "unjudged" if status in _UNJUDGED or status >= 500 else "accepted"


def _code(trust: Trust) -> str:
    if not trust.is_accepted:
        return Code.CREDENTIAL_REFUSED
    return Code.CREDENTIAL_RESTS if trust.rests("") else Code.REQUEST_REFUSED
