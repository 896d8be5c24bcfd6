"""Who goes when strangers hold too much: of a number of connections, or of bytes. Pure.

A peer is an address. No address is the API server's for certain, so nobody is let in by name; whoever holds
most loses first. Three rules, in this order:

1. No peer holds more than `most_per_peer`. At that limit it makes room for itself.
2. Nor do all together hold more than `most`. Beyond that the peer with the largest share makes room, the
   newcomer's included: a peer never loses anything to one that holds more.
3. A peer gives up what has come least far (`Rank`), and of equals the oldest. An honest client is through its
   early ranks in milliseconds, so this holds where it shares its address with an attacker, behind SNAT. What
   is being answered stays; where nothing else is left, the newcomer is turned away.

Example, `most` 4 and `most_per_peer` 3: `a` holds three silent connections, `b` one. A second one of `b`
takes the place of the oldest of `a`; a fourth one of `a` would have taken that place too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class Rank(IntEnum):
    """How far a connection has come. The lowest goes first."""

    SILENT = 0
    """No complete head: it waits, is in the handshake, or sends its head"""
    IDLE = 1
    """Between two requests; an HTTP client that finds it closed sends its request on a new one"""
    RECEIVING = 2
    """The body is under way"""
    ANSWERING = 3


_MOVABLE = (Rank.SILENT, Rank.IDLE, Rank.RECEIVING)


@dataclass(eq=False, slots=True)
class Holder:
    """A connection, or a body."""

    peer: str
    expel: Callable[[], None]
    """Called by whoever was given it by `make_room` or `overdue`"""
    weight: int = 1
    rank: Rank = Rank.SILENT
    since: float = 0.0
    """When it came to its rank"""


@dataclass(slots=True)
class _Share:
    """Of one peer. A dict keeps its holders in the order in which they came to their rank."""

    weight: int = 0
    holders: tuple[dict[Holder, None], ...] = field(default_factory=lambda: tuple({} for _ in Rank))

    def first(self) -> Holder | None:
        return next((holder for rank in _MOVABLE for holder in self.holders[rank]), None)


class Shares:
    """The books. They never act: the caller expels whom they name."""

    def __init__(self, most: int, most_per_peer: int) -> None:
        self._most = most
        self._most_per_peer = most_per_peer
        self._shares: dict[str, _Share] = {}
        self.weight = 0

    def make_room(self, peer: str, weight: int = 1) -> tuple[list[Holder], bool]:
        """Holders that must go, no longer in the books, and whether there is room for `weight` then."""
        going: list[Holder] = []
        while not self._has_room(peer, weight):
            holder = self._first_to_go(peer, weight)
            if holder is None:
                return going, False
            self.drop(holder)
            going.append(holder)
        return going, True

    def add(self, holder: Holder) -> None:
        share = self._shares.setdefault(holder.peer, _Share())
        share.holders[holder.rank][holder] = None
        share.weight += holder.weight
        self.weight += holder.weight

    def drop(self, holder: Holder) -> None:
        """Once; a second time does nothing."""
        share = self._shares.get(holder.peer)
        if share is None or holder not in share.holders[holder.rank]:
            return
        del share.holders[holder.rank][holder]
        share.weight -= holder.weight
        self.weight -= holder.weight
        if not any(share.holders):
            del self._shares[holder.peer]

    def move(self, holder: Holder, rank: Rank, now: float) -> None:
        """Does nothing for a holder that has gone."""
        share = self._shares.get(holder.peer)
        if share is None or holder not in share.holders[holder.rank]:
            return
        del share.holders[holder.rank][holder]
        share.holders[rank][holder] = None
        holder.rank, holder.since = rank, now

    def grow(self, holder: Holder, weight: int) -> None:
        """By so much, for a holder in the books. Make room first."""
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
        """Those that came to this rank before that time. Costs no more than there are peers and answers."""
        return [holder for share in self._shares.values() for holder in _until(share, rank, before)]

    def all(self) -> list[Holder]:
        return [one for share in self._shares.values() for holders in share.holders for one in holders]

    def greediest(self) -> str | None:
        return max(self._shares, key=self.of, default=None)

    def _has_room(self, peer: str, weight: int) -> bool:
        return self.weight + weight <= self._most and self.of(peer) + weight <= self._most_per_peer

    def _first_to_go(self, peer: str, weight: int) -> Holder | None:
        own, wanted = self._shares.get(peer), self.of(peer) + weight
        if wanted > self._most_per_peer:
            return own.first() if own else None
        others = [share for share in self._shares.values() if share is not own and share.weight >= wanted]
        for share in sorted(others, key=lambda one: one.weight, reverse=True):
            if holder := share.first():
                return holder
        return own.first() if own else None


def _until(share: _Share, rank: Rank, before: float) -> Iterator[Holder]:
    for holder in share.holders[rank]:
        if holder.since >= before:
            return
        yield holder
