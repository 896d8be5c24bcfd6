"""Limits for failed tokens per address, and for refusals per Pod. Pure: the time is an argument.

A made-up token can carry every claim that `webhook.grant.claims` checks, and then costs the API server a
TokenReview. So each address has an allowance of failures, which refills with time. A running Pod keeps its
grants when it shares an attacker's address (SNAT), by two exemptions:

- a token that was accepted before, which nobody else can know;
- a newer token of a Pod that was accepted at this address, because the kubelet rotates them. Anybody can
  write the claims that name a Pod, so this exemption has an allowance of its own.

Neither is trust: such a token is reviewed like any other.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

FAILURES_LIMIT = 20.0
"""The full allowance. A Pod that starts too early, or is deleted while it asks, fails a few times."""

FAILURES_PER_SECOND = 0.5
"""The refill. A hundred hostile Pods cost 50 TokenReviews a second: an API server answers thousands."""

PEERS_LIMIT = 4096
"""Addresses remembered, about 200 bytes each. An evicted address has its full allowance again."""

ACCEPTED_LIMIT = 16384
"""Tokens remembered, and Pods, about 150 bytes each: more than there are Pods that one broker serves."""

CLAIMED_FAILURES_LIMIT = 10.0
"""Failed tokens that claim to be a known Pod's. A rotated token is accepted at its first request."""

CLAIMED_FAILURES_PER_SECOND = 0.2
"""A hundred Pods at one address, all claimed by an attacker, cost 20 TokenReviews a second."""

REFUSALS_LIMIT = 64.0
"""A Pod may name 17 connectors. Where all are refused, that is their first request and three more of each."""

REFUSALS_PER_SECOND = 4.0
"""A sidecar asks again 5 s after a refusal, 17 connectors 3.4 times a second: that must pass."""


@dataclass(slots=True)
class _Spent:
    count: float
    at: float


class Allowances:
    """What each key has spent of an allowance that refills. A full table evicts its oldest entry."""

    def __init__(self, most: float, per_second: float, most_keys: int) -> None:
        self._most = most
        self._per_second = per_second
        self._most_keys = most_keys
        self._spent: OrderedDict[str | bytes, _Spent] = OrderedDict()

    def __contains__(self, key: str | bytes) -> bool:
        return key in self._spent

    def __len__(self) -> int:
        return len(self._spent)

    def has_left(self, key: str | bytes, now: float) -> bool:
        return self._count(key, now) + 1 <= self._most

    def spend(self, key: str | bytes, now: float, count: float = 1) -> None:
        """With a count of 0 the key is only remembered."""
        self._spent[key] = _Spent(self._count(key, now) + count, now)
        self._spent.move_to_end(key)
        if len(self._spent) > self._most_keys:
            self._spent.popitem(last=False)

    def _count(self, key: str | bytes, now: float) -> float:
        past = self._spent.get(key)
        return max(0.0, past.count - self._per_second * (now - past.at)) if past else 0.0


class Callers:
    """Tables in order of last use. `pod` is what a token claims to be bound to (`claims.pod`)."""

    def __init__(self) -> None:
        self._failures = Allowances(FAILURES_LIMIT, FAILURES_PER_SECOND, PEERS_LIMIT)
        self._claimed = Allowances(CLAIMED_FAILURES_LIMIT, CLAIMED_FAILURES_PER_SECOND, ACCEPTED_LIMIT)
        self._refusals = Allowances(REFUSALS_LIMIT, REFUSALS_PER_SECOND, ACCEPTED_LIMIT)
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def may_ask(self, peer: str, token: str, pod: str, now: float) -> bool:
        """Whether this token may be checked at all."""
        if self._failures.has_left(peer, now) or self._digest(token) in self._accepted:
            return True
        claimed = self._digest(peer, pod)
        return claimed in self._claimed and self._claimed.has_left(claimed, now)

    def failed(self, peer: str, now: float) -> None:
        """A request of this peer came to no token that could be reviewed."""
        self._failures.spend(peer, now)

    def not_accepted(self, peer: str, token: str, pod: str, now: float) -> None:
        """A token of this peer was refused."""
        self.failed(peer, now)
        self._accepted.pop(self._digest(token), None)
        claimed = self._digest(peer, pod)
        if claimed in self._claimed:
            self._claimed.spend(claimed, now)

    def accepted(self, peer: str, token: str, pod: str, now: float) -> None:
        """The API server accepted this token."""
        digest = self._digest(token)
        self._accepted[digest] = None
        self._accepted.move_to_end(digest)
        if len(self._accepted) > ACCEPTED_LIMIT:
            self._accepted.popitem(last=False)
        self._claimed.spend(self._digest(peer, pod), now, 0)

    def may_be_refused(self, uid: str, now: float) -> bool:
        """Whether the Pod of this uid has an allowance left. The uid may be claimed only."""
        return self._refusals.has_left(uid, now)

    def refused(self, uid: str, now: float) -> None:
        """A Pod was refused, whose uid the API server told."""
        self._refusals.spend(uid, now)

    def _digest(self, *texts: str) -> bytes:
        text = "\n".join(texts).encode(errors="surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()
