"""How many tokens that fail a caller may send. Pure: the time is given.

A made-up token can say all that `webhook.claims` looks at, and then costs the API server a TokenReview. So
each address has a number of failures that fills up again with time. Tokens that were accepted before are let
through whatever others at their address do: running Pods go on, behind SNAT too. That is no trust: they are
reviewed like all others.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

MOST_FAILURES = 20.0
"""In a row. A Pod that starts too early, or is deleted while it asks, fails a few times."""

FAILURES_PER_SECOND = 0.5
"""From then on. A hundred hostile Pods cost 50 TokenReviews a second: the API server answers thousands."""

MOST_PEERS = 4096
"""Addresses remembered, about 200 bytes each. Whoever is forgotten begins anew."""

MOST_ACCEPTED = 16384
"""Tokens remembered, about 150 bytes each: more than there are Pods that one broker serves."""


@dataclass(slots=True)
class _Failures:
    count: float
    at: float


class Callers:
    """Two tables, in the order in which they were last used; the oldest entry goes when one is full."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def may_ask(self, peer: str, token: str, now: float) -> bool:
        """Whether this token may be looked at."""
        return self._failed(peer, now) + 1 <= MOST_FAILURES or self._digest(token) in self._accepted

    def failed(self, peer: str, token: str, now: float) -> None:
        """A token of this peer was not accepted, or no longer."""
        self._failures[peer] = _Failures(self._failed(peer, now) + 1, now)
        self._failures.move_to_end(peer)
        self._accepted.pop(self._digest(token), None)
        if len(self._failures) > MOST_PEERS:
            self._failures.popitem(last=False)

    def accepted(self, token: str) -> None:
        """The API server says whose it is."""
        digest = self._digest(token)
        self._accepted[digest] = None
        self._accepted.move_to_end(digest)
        if len(self._accepted) > MOST_ACCEPTED:
            self._accepted.popitem(last=False)

    def _failed(self, peer: str, now: float) -> float:
        past = self._failures.get(peer)
        return max(0.0, past.count - FAILURES_PER_SECOND * (now - past.at)) if past else 0.0

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=16).digest()
