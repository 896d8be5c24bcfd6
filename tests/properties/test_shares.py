"""Eviction when all places are taken: no peer loses to a peer that holds more."""

from hypothesis import given
from hypothesis import strategies as st

from webhook.limits.shares import Holder, Rank, Shares

PEERS = st.sampled_from(["a", "b", "c", "d"])
JOIN = st.tuples(st.just("join"), PEERS, st.integers(1, 4))
GROW = st.tuples(st.just("grow"), st.integers(0, 50), st.integers(1, 4))
MOVE = st.tuples(st.just("move"), st.integers(0, 50), st.sampled_from(Rank))
LEAVE = st.tuples(st.just("leave"), st.integers(0, 50), st.just(None))
LIMITS = st.integers(2, 12).flatmap(lambda most: st.tuples(st.just(most), st.integers(1, most)))


class Books:
    """The same kept in the plainest way: a list of all, in the order in which they came to their rank."""

    def __init__(self, most: int, most_per_peer: int) -> None:
        self.most, self.most_per_peer = most, most_per_peer
        self.shares = Shares(most, most_per_peer)
        self.present: list[Holder] = []
        self.now = 0.0

    def weight(self, peer: str | None = None) -> int:
        return sum(holder.weight for holder in self.present if peer in (None, holder.peer))

    def make_room(self, peer: str, weight: int, sparing: Holder | None = None) -> bool:
        before = {holder.peer: self.weight(holder.peer) for holder in self.present}
        all_before, own_before = list(self.present), self.weight(peer)
        evicted, has_room = self.shares.make_room(peer, weight, sparing)
        for holder in evicted:
            self.check_goes(holder, peer, weight, sparing)
            self.present.remove(holder)
        if own_before + weight <= self.most_per_peer and sum(before.values()) + weight <= self.most:
            assert (evicted, has_room) == ([], True), "nobody goes while there is room"
        staying = sum(
            holder.weight
            for holder in all_before
            if holder.peer == peer and (holder is sparing or holder.rank is Rank.ANSWERING)
        )
        if staying + weight > self.most_per_peer:
            assert (evicted, has_room) == ([], False), "nobody goes for nothing"
        elif not has_room:
            wanted = self.weight(peer) + weight
            for holder in all_before:
                if holder not in self.present or holder is sparing:
                    continue
                assert self.weight(holder.peer) <= wanted, "a peer that holds more would have made room"
                if self.weight(holder.peer) == wanted or holder.peer == peer:
                    assert holder.rank is Rank.ANSWERING
        return has_room

    def check_goes(self, holder: Holder, peer: str, weight: int, sparing: Holder | None) -> None:
        assert holder is not sparing
        wanted = self.weight(peer) + weight
        mine = self.weight(holder.peer) + (weight if holder.peer == peer else 0)
        assert mine >= wanted or holder.peer == peer, "never to a peer that holds more"
        if wanted > self.most_per_peer:
            assert holder.peer == peer
        else:
            is_last = holder.rank is Rank.ANSWERING
            peers = {other.peer for other in self.present if is_last or other.rank is not Rank.ANSWERING}
            assert all(self.weight(other) <= mine for other in peers - {peer}), "the greediest first"
        if holder.rank is Rank.ANSWERING:
            assert self.weight(holder.peer) > wanted, "only for a peer that holds less"
            assert all(
                other.rank is Rank.ANSWERING
                for other in self.present
                if other is not sparing and (other.peer == peer or self.weight(other.peer) >= wanted)
            ), "only if nothing else is left"
            after_it = self.present[self.present.index(holder) + 1 :]
            assert not [other for other in after_it if other.peer == holder.peer], "the newest"
            return
        before_it = self.present[: self.present.index(holder)]
        siblings = [other for other in self.present if other.peer == holder.peer and other is not sparing]
        assert all(holder.rank <= other.rank for other in siblings)
        assert not [other for other in before_it if other in siblings and other.rank is holder.rank]

    def do(self, step: str, what: object, how: object) -> None:
        self.now += 1
        if step == "join":
            assert isinstance(what, str) and isinstance(how, int)  # noqa: PT018
            if self.make_room(what, how):
                holder = Holder(what, lambda: None, how, since=self.now)
                self.shares.add(holder)
                self.present.append(holder)
            return
        assert isinstance(what, int)
        if not self.present:
            return
        holder = self.present[what % len(self.present)]
        if step == "grow":
            assert isinstance(how, int)
            if self.make_room(holder.peer, how, holder):
                self.shares.grow(holder, how)
            return
        self.present.remove(holder)
        if step == "move":
            assert isinstance(how, Rank)
            self.shares.move(holder, how, self.now)
            self.present.append(holder)
        else:
            self.shares.drop(holder)
            self.shares.drop(holder)  # a second time changes nothing


@given(LIMITS, st.lists(st.one_of(JOIN, JOIN, GROW, MOVE, LEAVE), max_size=60))
def test_the_books_are_right_and_the_greediest_goes(
    limits: tuple[int, int], steps: list[tuple[str, object, object]]
) -> None:
    books = Books(*limits)
    for step in steps:
        books.do(*step)
        assert books.shares.weight == books.weight()
        assert 0 <= books.weight() <= books.most
        assert set(books.shares.all()) == set(books.present)
        for peer in "abcd":
            assert books.shares.of(peer) == books.weight(peer) <= books.most_per_peer
    for rank in Rank:
        for before in (0.0, books.now / 2, books.now + 1):
            late = {holder for holder in books.present if holder.rank is rank and holder.since < before}
            assert set(books.shares.overdue(rank, before)) == late


@given(st.integers(1, 6), st.integers(1, 200), st.integers(0, 5))
def test_a_peer_that_holds_less_is_let_in_and_stays(reserve: int, attackers: int, few: int) -> None:
    """The reserve: what a single peer cannot hold is there for the others, and nobody takes it away."""
    shares = Shares(8 + reserve, 8)
    mine = [Holder("victim", lambda: None) for _ in range(min(few, reserve))]
    for number in range(attackers):
        evicted, has_room = shares.make_room("attacker")
        assert has_room, "it takes the place of another connection of its own"
        assert {holder.peer for holder in evicted} <= {"attacker"}
        shares.add(Holder("attacker", lambda: None))
        if number < len(mine):
            evicted, has_room = shares.make_room("victim")
            assert (has_room, {holder.peer for holder in evicted} - {"attacker"}) == (True, set())
            shares.add(mine[number])
    assert shares.of("victim") == min(attackers, len(mine))
