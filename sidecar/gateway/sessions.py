"""Sessions: a client's token at one connector, with the grant that the broker gives for both.

A session is young until the broker has given a grant. Young sessions are few and short-lived, because anybody
can make up tokens; they displace no other. Everything but the question itself runs in the loop's thread.
"""

import sys
import time
from collections.abc import Callable

from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from sidecar.errors import BrokerUnreachable, TurnedAway
from sidecar.gateway.brokers import GatewayBroker
from sidecar.gateway.tokens import expired, fingerprint
from sidecar.grants.store import Grants
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads

YOUNG_LIMIT = 1024
"""Tokens that the broker has not accepted; each is remembered for as long as its refusal (`life`) stands"""
LIMIT = 8192
"""Tokens at connectors, 1.5 KB each as measured (docs/gateway.md), 4 KiB with a long token"""
IDLE_SECONDS = 900.0
"""An idle session ends after this; arbitrary. The next request asks the broker once more"""
YOUNG_SECONDS = 30.0

Key = tuple[bytes, str]
"""SHA-256 of the token, and connector"""


class Session:
    """A token at a connector."""

    __slots__ = (
        "attempt_at",
        "client",
        "connector",
        "expires_at",
        "grants",
        "is_known",
        "key",
        "raw",
        "shared",
        "under_way",
        "used_at",
    )

    def __init__(self, key: Key, token: Secret, broker: GatewayBroker, threads: Threads, loop: Loop) -> None:
        self.key = key
        self.connector = key[1]
        self.client: str | None = None
        """`namespace/serviceaccount`, once the broker has said it"""
        self.expires_at = float("inf")
        """End of the token, by the monotonic clock"""
        self.is_known = False
        """Whether the broker has ever given a grant"""
        self.attempt_at = 0.0
        """When the next question would be one of a stranger's attempts"""
        self.under_way = 0
        self.used_at = 0.0
        self.raw: Grant | None = None
        self.shared: Grant | None = None
        """The object that all clients of the tenant have for an equal grant, if `raw` is the present one"""
        self.grants = Grants(self._fetch(broker, token), loop, threads)

    def _fetch(self, broker: GatewayBroker, token: Secret) -> Callable[[str | None, str | None], Grant]:
        def fetch(rejected: str | None, cause: str | None) -> Grant:
            asked_at = time.monotonic()  # from then on: the life that the broker tells is over no later
            try:
                answer = broker.fetch(self.connector, token, rejected, cause)
            except TurnedAway as error:
                if self.is_known:  # a refusal would end its grant
                    raise BrokerUnreachable(str(error)) from error
                raise
            self.client = answer.client
            self.expires_at = asked_at + answer.expires_seconds
            ca = answer.grant.ca
            # thousands of sessions share the text of a bundle, which may have 200 KiB
            return answer.grant._replace(ca=ca and sys.intern(ca), broker_ca=())

        return fetch

    async def grant(self, now: float) -> Grant:
        """Raises BrokerError, and the Refusal of a token that is over."""
        if now >= self.expires_at:
            raise expired()
        return await self.grants.get()


class Sessions:
    """All sessions of the process, bounded; the longest unused gives way."""

    def __init__(self, broker: GatewayBroker, loop: Loop) -> None:
        self._broker = broker
        self._loop = loop
        self._young: dict[Key, Session] = {}
        self._known: dict[Key, Session] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._known)

    def find(self, connector: str, token: Secret) -> Session | None:
        key = (fingerprint(token), connector)
        for table in (self._known, self._young):
            session = table.pop(key, None)
            if session is not None:
                session.used_at = self._loop.now
                table[key] = session  # the last of the table: the most recently used
                return session
        return None

    def open(self, connector: str, token: Secret, threads: Threads) -> Session:
        """A young session. `threads`: for its questions to the broker."""
        session = Session((fingerprint(token), connector), token, self._broker, threads, self._loop)
        session.used_at = self._loop.now
        self._young[session.key] = session
        _bound(self._young, YOUNG_LIMIT)
        return session

    def accept(self, session: Session) -> None:
        """The broker has given a grant."""
        session.is_known = True
        self._young.pop(session.key, None)
        self._known[session.key] = session
        _bound(self._known, LIMIT)

    def sweep(self) -> None:
        """End sessions that are idle, or whose token is over."""
        now = self._loop.now
        for table, seconds in ((self._young, YOUNG_SECONDS), (self._known, IDLE_SECONDS)):
            for key, session in list(table.items()):
                is_over = now >= session.expires_at or now - session.used_at >= seconds
                if is_over and not session.under_way:
                    del table[key]


def _bound(table: dict[Key, Session], limit: int) -> None:
    while len(table) > limit:
        idle = next((key for key, session in table.items() if not session.under_way), None)
        del table[next(iter(table)) if idle is None else idle]
