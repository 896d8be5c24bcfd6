"""Limits for failed tokens per address, and for refusals per Pod. No clock: the time is an argument.

A made-up token can carry every claim that `webhook.grant.claims` checks, and then costs the API server a
TokenReview. So each address has an allowance of failures, which refills with time. A running Pod keeps its
grants when it shares an attacker's address (SNAT), by two exemptions:

- a token that was accepted before, which no attacker can know;
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
"""Tokens and Pods remembered, about 150 bytes each: more than the Pods of a broker."""

CLAIMED_FAILURES_LIMIT = 10.0
"""Failed tokens that claim a known Pod. A rotated token is accepted at its first request."""

CLAIMED_FAILURES_PER_SECOND = 0.2
"""A hundred Pods at one address, all claimed by an attacker, cost 20 TokenReviews a second."""

REFUSALS_LIMIT = 64.0
"""A Pod may name 17 connectors. If all are refused, this is a first request and three more for each."""

REFUSALS_PER_SECOND = 4.0
"""A sidecar asks again 5 s after a refusal. With 17 connectors this is 3.4 times a second, and must pass."""


@dataclass(slots=True)
class _Spent:
    count: float
    at: float


class Allowances:
    """How much each key has spent of an allowance that refills. A full table evicts its oldest entry."""

    def __init__(self, limit: float, per_second: float, keys_limit: int) -> None:
        self._limit = limit
        self._per_second = per_second
        self._keys_limit = keys_limit
        self._spent: OrderedDict[str | bytes, _Spent] = OrderedDict()

    def __contains__(self, key: str | bytes) -> bool:
        return key in self._spent

    def __len__(self) -> int:
        return len(self._spent)

    def has_left(self, key: str | bytes, now: float) -> bool:
        return self._count(key, now) + 1 <= self._limit

    def spend(self, key: str | bytes, now: float, count: float = 1) -> None:
        """A count of 0 only remembers the key."""
        self._spent[key] = _Spent(self._count(key, now) + count, now)
        self._spent.move_to_end(key)
        if len(self._spent) > self._keys_limit:
            self._spent.popitem(last=False)

    def _count(self, key: str | bytes, now: float) -> float:
        past = self._spent.get(key)
        return max(0.0, past.count - self._per_second * (now - past.at)) if past else 0.0


class Callers:
    """Tables in order of last use. `pod` is the Pod that a token claims (`claims.pod`).

    table        key                     a failed token                  an accepted token
    failures     address                 is counted                      counts nothing
    accepted     the token               is removed                      is added
    claimed      address and its Pod     is counted if the key exists    adds the key
    """

    def __init__(
        self, *, failures_limit: float = FAILURES_LIMIT, failures_per_second: float = FAILURES_PER_SECOND
    ) -> None:
        self._failures = Allowances(failures_limit, failures_per_second, PEERS_LIMIT)
        self._claimed = Allowances(CLAIMED_FAILURES_LIMIT, CLAIMED_FAILURES_PER_SECOND, ACCEPTED_LIMIT)
        self._refusals = Allowances(REFUSALS_LIMIT, REFUSALS_PER_SECOND, ACCEPTED_LIMIT)
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def may_ask(self, peer: str, token: str, pod: str, now: float) -> bool:
        """Whether the broker may review this token."""
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
        """Whether the Pod with this uid has an allowance left. The uid may be a mere claim."""
        return self._refusals.has_left(uid, now)

    def refused(self, uid: str, now: float) -> None:
        """A Pod was refused. The API server has verified its uid."""
        self._refusals.spend(uid, now)

    def _digest(self, *texts: str) -> bytes:
        text = "\n".join(texts).encode(errors="surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()
