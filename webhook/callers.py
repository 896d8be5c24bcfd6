"""Limits for failed tokens per address. Pure: the time is an argument.

A made-up token can carry every claim that `webhook.claims` checks, and then costs the API server a
TokenReview. So each address has an allowance of failures, which refills with time. A token that was accepted
before is exempt, so that a running Pod keeps its grants when it shares an attacker's address (SNAT). The
exemption is no trust: such a token is reviewed like any other.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

MOST_FAILURES = 20.0
"""The full allowance. A Pod that starts too early, or is deleted while it asks, fails a few times."""

FAILURES_PER_SECOND = 0.5
"""The refill. A hundred hostile Pods cost 50 TokenReviews a second: an API server answers thousands."""

MOST_PEERS = 4096
"""Addresses remembered, about 200 bytes each. An evicted address has its full allowance again."""

MOST_ACCEPTED = 16384
"""Tokens remembered, about 150 bytes each: more than there are Pods that one broker serves."""


@dataclass(slots=True)
class _Failures:
    count: float
    at: float


class Callers:
    """Two tables in order of last use. A full table evicts its oldest entry."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def may_ask(self, peer: str, token: str, now: float) -> bool:
        """Whether this token may be checked at all."""
        return self._failed(peer, now) + 1 <= MOST_FAILURES or self._digest(token) in self._accepted

    def failed(self, peer: str, token: str, now: float) -> None:
        """A token of this peer was refused."""
        self._failures[peer] = _Failures(self._failed(peer, now) + 1, now)
        self._failures.move_to_end(peer)
        self._accepted.pop(self._digest(token), None)
        if len(self._failures) > MOST_PEERS:
            self._failures.popitem(last=False)

    def accepted(self, token: str) -> None:
        """The API server accepted this token."""
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
