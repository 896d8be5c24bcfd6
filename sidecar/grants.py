"""The grant of one connector: fetched once for everybody who waits, kept for its life, ended by a refusal."""

import threading
import time
from collections.abc import Callable

from sidecar.contract import Grant
from sidecar.errors import BrokerRefused, BrokerUnreachable, CredentialRefused
from sidecar.threads import Threads

Fetch = Callable[[str | None], Grant]
"""Rejected version or None → grant; raises BrokerRefused or BrokerUnreachable"""

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
RENEW_SECONDS = 30.0
"""After a refusal that the broker had nothing newer for, it is asked again so much later"""


class GrantStore:
    """Thread-safe. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        connector: str,
        fetch: Fetch,
        clock: Callable[[], float] = time.monotonic,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._connector = connector
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
        self._rejected: set[tuple[str, str]] = set()
        """(action, version) that the registry answered 401 to"""
        self._ask_at: dict[str, float] = {}
        """Version that the registry refused → when the broker is asked for a newer one again"""

    def at_hand(self, action: str) -> Grant | None:
        """What `get` returns if it need not wait for anybody, else None.

        Without the lock: one that is replaced at this very moment is as good.
        """
        grant = self._grant
        if grant is None or self._clock() - self._since >= grant.soft_seconds:
            return None
        return self._unless_rejected(grant, action)

    def usable(self, action: str) -> Grant | None:
        """What may be used while the broker does not answer, past its soft life too."""
        grant = self._grant
        if grant is None or self._clock() - self._since >= grant.hard_seconds:
            return None
        return self._unless_rejected(grant, action)

    def get(self, action: str) -> Grant:
        """A grant that the registry has not rejected for this action ("install", "upload").

        Raises BrokerRefused, BrokerUnreachable or CredentialRefused.
        """
        grant = self._current()
        if (action, grant.version) not in self._rejected:
            return grant
        newer = self.renew(grant, action)
        if newer is None:
            raise CredentialRefused(self._connector)
        return newer

    def renew(self, refused: Grant, action: str, *, is_rejected: bool = True) -> Grant | None:
        """The registry refused `refused`: a grant of another version, or None if there is none now.

        `is_rejected`: it said 401; that version is never tried for this action again, which could lock the
        account. A 403 can as well be about one package: the version stays in use.
        Raises BrokerRefused or BrokerUnreachable. Of many requests refused at once, one asks the broker.
        """
        with self._changed:
            if is_rejected:
                self._rejected.add((action, refused.version))
            while self._is_fetching:
                self._changed.wait(WAIT_SECONDS)
            current = self._grant
            if current is not None and current.version != refused.version:
                return self._unless_rejected(current, action)
            if self._clock() < self._ask_at.get(refused.version, 0.0):
                return None
            if self._failure is not None and self._clock() < self._retry_at:
                raise self._failure.with_traceback(None)
            self._ask_at[refused.version] = self._clock() + RENEW_SECONDS
            self._is_fetching = True
        try:
            grant = self._run_fetch(refused.version)
        except BrokerUnreachable:
            del self._ask_at[refused.version]  # nobody has said that there is nothing newer
            raise
        return None if grant.version == refused.version else self._unless_rejected(grant, action)

    def _unless_rejected(self, grant: Grant, action: str) -> Grant | None:
        return None if (action, grant.version) in self._rejected else grant

    def _current(self) -> Grant:
        """Where there is none to use, a broker that cannot be reached is waited for: it may be rolled."""
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
            return self._run_fetch(None)
        except BrokerUnreachable:
            if usable is not None:
                return usable
            raise

    def _run_fetch(self, rejected: str | None) -> Grant:
        """Fetch outside the lock; the flag is already set. Always clears it and wakes who waits."""
        grant: Grant | None = None
        failure: BrokerRefused | BrokerUnreachable = BrokerUnreachable("the broker's client failed")
        try:
            grant = self._fetch(rejected)
        except (BrokerRefused, BrokerUnreachable) as error:
            failure = error
            raise
        else:
            return grant
        finally:
            with self._changed:
                self._is_fetching = False
                if grant is not None:
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


class Grants:
    """The store as tasks of the loop use it: what is at hand at once, all else in a thread."""

    def __init__(self, store: GrantStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def get(self, action: str) -> Grant:
        """See `GrantStore.get`. A broker that hangs holds up nobody who has a grant to use."""
        grant = self._store.at_hand(action)
        if grant is not None:
            return grant
        usable = self._store.usable(action)
        if usable is None:
            return await self._threads.run(lambda: self._store.get(action))
        newer = await self._threads.run_within(REFRESH_SECONDS, lambda: self._store.get(action))
        return newer if newer is not None else usable

    async def renew(self, refused: Grant, action: str, *, is_rejected: bool = True) -> Grant | None:
        """See `GrantStore.renew`."""
        return await self._threads.run(lambda: self._store.renew(refused, action, is_rejected=is_rejected))
