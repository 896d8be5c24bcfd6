"""Eviction when strangers hold too many connections, or too many bytes. Pure.

A peer is an address. The address of the API server is not certain, so no peer has a privilege. Instead the
peer with the largest share loses first. There are three rules, in this order:

1. No peer holds more than `limit_per_peer`. At that limit it makes room for itself.
2. All peers together hold at most `limit`. Beyond that the peer with the largest share makes room, and this
   may be the newcomer's own. So a peer never loses anything to a peer that holds more.
3. A peer gives up the holder with the lowest `Rank`, and among equals the oldest. An honest client passes its
   early ranks in milliseconds, so this rule also helps a client that shares an attacker's address (SNAT).
   Holders in rank ANSWERING are evicted last, the newest first, and only for a peer that holds less. If that
   does not help either, the newcomer is refused.

Example with `limit` 4 and `limit_per_peer` 3: peer `a` holds three silent connections, peer `b` holds one. A
second connection of `b` takes the place of the oldest of `a`. So would a fourth connection of `a`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class Rank(IntEnum):
    """Progress of a connection. The lowest rank is evicted first."""

    SILENT = 0
    """No complete head: the client waits, is in the handshake, or sends its head"""
    IDLE = 1
    """Between two requests; an HTTP client that meets a closed connection opens a new one"""
    RECEIVING = 2
    """The client must act: send its body, or read the answer"""
    ANSWERING = 3
    """The request is complete, and the work is ours"""


_BEFORE_ANSWERING = (Rank.SILENT, Rank.IDLE, Rank.RECEIVING)


@dataclass(eq=False, slots=True)
class Holder:
    """A connection, or a body."""

    peer: str
    expel: Callable[[], None]
    """The caller of `make_room` and `overdue` calls it for each holder that they return"""
    weight: int = 1
    rank: Rank = Rank.SILENT
    since: float = 0.0
    """Time at which it entered its rank"""


@dataclass(slots=True)
class _Share:
    """All holders of a peer. Each dict has them in the order in which they entered that rank."""

    weight: int = 0
    holders: tuple[dict[Holder, None], ...] = field(default_factory=lambda: tuple({} for _ in Rank))

    def first(self, sparing: Holder | None = None) -> Holder | None:
        ranks = (self.holders[rank] for rank in _BEFORE_ANSWERING)
        return next((holder for rank in ranks for holder in rank if holder is not sparing), None)

    def last(self) -> Holder | None:
        return next(reversed(self.holders[Rank.ANSWERING]), None)


class Shares:
    """The accounts. They never act: the caller expels the holders that they return."""

    def __init__(self, limit: int, limit_per_peer: int) -> None:
        self._limit = limit
        self._limit_per_peer = limit_per_peer
        self._shares: dict[str, _Share] = {}
        self.weight = 0

    def make_room(
        self, peer: str, weight: int = 1, sparing: Holder | None = None
    ) -> tuple[list[Holder], bool]:
        """Evicted holders, already removed from the accounts, and whether `weight` fits now. `sparing`: the
        holder that wants to grow."""
        evicted: list[Holder] = []
        if not self._could_fit(peer, weight, sparing):
            return evicted, False
        while not self._has_room(peer, weight):
            holder = self._next_victim(peer, weight, sparing)
            if holder is None:
                return evicted, False
            self.drop(holder)
            evicted.append(holder)
        return evicted, True

    def add(self, holder: Holder) -> None:
        share = self._shares.setdefault(holder.peer, _Share())
        share.holders[holder.rank][holder] = None
        share.weight += holder.weight
        self.weight += holder.weight

    def drop(self, holder: Holder) -> None:
        """A second call does nothing."""
        share = self._shares.get(holder.peer)
        if share is None or holder not in share.holders[holder.rank]:
            return
        del share.holders[holder.rank][holder]
        share.weight -= holder.weight
        self.weight -= holder.weight
        if not any(share.holders):
            del self._shares[holder.peer]

    def move(self, holder: Holder, rank: Rank, now: float) -> None:
        """Does nothing for a holder that was dropped."""
        share = self._shares.get(holder.peer)
        if share is None or holder not in share.holders[holder.rank]:
            return
        del share.holders[holder.rank][holder]
        share.holders[rank][holder] = None
        holder.rank, holder.since = rank, now

    def grow(self, holder: Holder, weight: int) -> None:
        """Add `weight` to a holder in the accounts. Make room first."""
        holder.weight += weight
        self._shares[holder.peer].weight += weight
        self.weight += weight

    def holds(self, holder: Holder) -> bool:
        share = self._shares.get(holder.peer)
        return share is not None and holder in share.holders[holder.rank]

    def of(self, peer: str) -> int:
        share = self._shares.get(peer)
        return share.weight if share else 0

    def overdue(self, rank: Rank, before: float) -> list[Holder]:
        """Holders that entered this rank before that time. Costs a step per peer and per result."""
        return [holder for share in self._shares.values() for holder in _until(share, rank, before)]

    def all(self) -> list[Holder]:
        return [holder for share in self._shares.values() for rank in share.holders for holder in rank]

    def _could_fit(self, peer: str, weight: int, sparing: Holder | None) -> bool:
        """Whether `weight` fits if the peer gives up all that it may. If not, nothing is evicted in vain."""
        own = self._shares.get(peer)
        staying = sum(holder.weight for holder in own.holders[Rank.ANSWERING]) if own else 0
        if sparing is not None and sparing.rank is not Rank.ANSWERING:
            staying += sparing.weight
        return staying + weight <= self._limit_per_peer

    def _has_room(self, peer: str, weight: int) -> bool:
        return self.weight + weight <= self._limit and self.of(peer) + weight <= self._limit_per_peer

    def _next_victim(self, peer: str, weight: int, sparing: Holder | None) -> Holder | None:
        own, wanted = self._shares.get(peer), self.of(peer) + weight
        if wanted > self._limit_per_peer:  # rule 1
            return own.first(sparing) if own else None
        # rule 2: peers that hold at least as much as the newcomer will, the largest share first
        larger = [share for share in self._shares.values() if share is not own and share.weight >= wanted]
        larger.sort(key=lambda share: share.weight, reverse=True)
        victims = [share.first() for share in larger]
        victims.append(own.first(sparing) if own else None)
        # rule 3: work under way goes last, and only to a newcomer that will still hold less
        victims += [share.last() for share in larger if share.weight > wanted]
        return next(filter(None, victims), None)


def _until(share: _Share, rank: Rank, before: float) -> Iterator[Holder]:
    for holder in share.holders[rank]:
        if holder.since >= before:
            return
        yield holder
