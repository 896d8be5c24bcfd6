"""The grant of one connector: fetched once for everybody who waits, kept for its life, ended by a refusal."""

import threading
import time
from collections.abc import Callable

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import BrokerRefused, BrokerUnreachable
from sidecar.sockets.threads import Threads

Fetch = Callable[[str | None, str | None], Grant]
"""Rejected version and its cause, or None twice → grant; raises BrokerRefused or BrokerUnreachable"""

WAIT_SECONDS = 20.0
"""A request waits this long for the first grant: below the 30 s after which pip gives up on silence"""
PATIENCE_SECONDS = 6.0
"""And this long for a broker that cannot be reached: most are back by then, and a client without our pip.conf
gives up on silence after 15 s"""
REFUSED_SECONDS = 5.0
"""A refusal stands this long before the broker is asked again: a mended RoleBinding helps the next try"""
BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Pauses between fetches while the broker cannot be reached; the last one repeats"""
REFRESH_SECONDS = 1.0
"""A grant whose soft life is over waits this long for the next one, and is used if that takes longer"""
RENEW_SECONDS = (2.0, 3.0, 5.0, 8.0)
"""Pauses between questions for a newer version than the refused one, while clients ask; the last repeats. A
corrected Secret serves within 10 s. A thousand Pods whose account is locked ask 125 questions a second, if
all their clients go on asking"""
UNREACHABLE_SECONDS = (15.0,)
"""The pauses while the registry cannot be reached: a failed registry is likelier than a corrected address"""
URGENT = 32
"""Requests that ask so at once: each holds a thread, and the others are refused without a wait"""
NEWER_SECONDS = 2.0
"""A request that is refused while its credential rests waits this long for a newer one"""


class GrantStore:
    """Thread-safe. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        fetch: Fetch,
        clock: Callable[[], float] = time.monotonic,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._grant: Grant | None = None
        self._since = 0.0
        self._is_fetching = False
        self._failure: BrokerRefused | BrokerUnreachable | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._asked: dict[tuple[str, bool], tuple[int, float]] = {}
        """Version, and whether its registry could be reached → number of questions for a newer one, and when
        the next is allowed. Only for the version in use, and for older ones whose requests still run"""

    def at_hand(self) -> Grant | None:
        """What `get` returns if it need not wait for anybody, else None.

        Without the lock: one that is replaced at this very moment is as good.
        """
        grant = self._grant
        return None if grant is None or self._clock() - self._since >= grant.soft_seconds else grant

    def usable(self) -> Grant | None:
        """What may be used while the broker does not answer, past its soft life too."""
        grant = self._grant
        return None if grant is None or self._clock() - self._since >= grant.hard_seconds else grant

    def get(self) -> Grant:
        """Raises BrokerRefused or BrokerUnreachable.

        Without a usable grant it waits for a broker that cannot be reached: the broker may be rolled.
        """
        patient_until = self._clock() + self._patience_seconds
        while True:
            try:
                return self._usable_or_fetched()
            except BrokerUnreachable:
                with self._changed:
                    now = self._clock()
                    if now >= patient_until:
                        raise
                    self._changed.wait(min(self._retry_at, patient_until) - now)

    def may_renew(self, refused: Grant, cause: str) -> bool:
        """Whether `renew` may return a grant: not soon after a question. Without the lock."""
        grant = self._grant
        if self._is_fetching or grant is None or grant.version != refused.version:
            return True
        _, ask_at = self._asked.get(_pace(refused.version, cause), (0, 0.0))
        return self._clock() >= ask_at

    def renew(self, refused: Grant, cause: str) -> Grant | None:
        """A grant of another version than `refused`, or None for now. `cause`: one of `contract.CAUSES`.

        Raises BrokerRefused or BrokerUnreachable. Of many requests refused at once, one asks the broker.
        """
        key = _pace(refused.version, cause)
        with self._changed:
            while self._is_fetching:
                self._changed.wait(WAIT_SECONDS)
            current = self._grant
            if current is not None and current.version != refused.version:
                return current
            now = self._clock()
            count, ask_at = self._asked.get(key, (0, 0.0))
            if now < ask_at:
                return None
            if self._failure is not None and now < self._retry_at:
                raise self._failure.with_traceback(None)
            pauses = UNREACHABLE_SECONDS if cause == Code.REGISTRY_UNREACHABLE else RENEW_SECONDS
            self._asked[key] = (count + 1, now + pauses[min(count, len(pauses) - 1)])
            self._is_fetching = True
        try:
            grant = self._run_fetch(refused.version, cause)
        except BrokerUnreachable:
            self._asked.pop(key, None)  # the broker did not say that there is none
            raise
        return None if grant.version == refused.version else grant

    def _usable_or_fetched(self) -> Grant:
        deadline = self._clock() + WAIT_SECONDS
        with self._changed:
            while True:
                now = self._clock()
                grant, age = self._grant, now - self._since
                if grant is not None and age < grant.soft_seconds:
                    return grant
                usable = grant if grant is not None and age < grant.hard_seconds else None
                if self._failure is not None and now < self._retry_at:
                    if usable is not None:
                        return usable
                    # a traceback would grow with each raise, and hold the frames of every request
                    raise self._failure.with_traceback(None)
                if not self._is_fetching:
                    self._is_fetching = True
                    break
                if usable is not None:
                    return usable
                if now >= deadline or not self._changed.wait(deadline - now):
                    raise BrokerUnreachable("the broker has not answered yet")
        try:
            return self._run_fetch(None, None)
        except BrokerUnreachable:
            if usable is not None:
                return usable
            raise

    def _run_fetch(self, rejected: str | None, cause: str | None) -> Grant:
        """Fetch outside the lock; the flag is already set. Always clears it and wakes who waits."""
        grant: Grant | None = None
        failure: BrokerRefused | BrokerUnreachable = BrokerUnreachable("the broker's client failed")
        try:
            grant = self._fetch(rejected, cause)
        except (BrokerRefused, BrokerUnreachable) as error:
            failure = error
            raise
        else:
            return grant
        finally:
            with self._changed:
                self._is_fetching = False
                if grant is not None:
                    if self._grant is not None and self._grant.version != grant.version:
                        self._asked.clear()
                    self._grant, self._since = grant, self._clock()
                    self._failure, self._failures = None, 0
                else:
                    self._note(failure)
                self._changed.notify_all()

    def _note(self, failure: BrokerRefused | BrokerUnreachable) -> None:
        self._failure = failure
        if isinstance(failure, BrokerRefused):
            self._grant = None
            pause = REFUSED_SECONDS
        else:
            pause = BACK_OFF_SECONDS[min(self._failures, len(BACK_OFF_SECONDS) - 1)]
            self._failures += 1
        self._retry_at = self._clock() + pause


def _pace(version: str, cause: str) -> tuple[str, bool]:
    return version, cause != Code.REGISTRY_UNREACHABLE


class Grants:
    """The store as tasks of the loop use it: what is at hand at once, all else in a thread."""

    def __init__(self, store: GrantStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._urgent = 0

    async def get(self) -> Grant:
        """See `GrantStore.get`. A broker that hangs holds up nobody who has a grant to use."""
        grant = self._store.at_hand()
        if grant is not None:
            return grant
        usable = self._store.usable()
        if usable is None:
            return await self._threads.run(self._store.get)
        newer = await self._threads.run_within(REFRESH_SECONDS, self._store.get)
        return newer if newer is not None else usable

    async def renew(self, refused: Grant, cause: str, *, is_urgent: bool = False) -> Grant | None:
        """See `GrantStore.renew`. `is_urgent`: return None after `NEWER_SECONDS` too."""
        if not is_urgent:
            return await self._threads.run(lambda: self._store.renew(refused, cause))
        if not self._store.may_renew(refused, cause) or self._urgent >= URGENT:
            return None
        self._urgent += 1
        try:
            return await self._threads.run_within(NEWER_SECONDS, lambda: self._store.renew(refused, cause))
        finally:
            self._urgent -= 1
