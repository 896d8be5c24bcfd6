"""Who goes when it is full: whatever comes, moves and leaves, nobody loses to a peer that holds more."""

from hypothesis import given
from hypothesis import strategies as st

from webhook.shares import Holder, Rank, Shares

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
        return sum(one.weight for one in self.present if peer in (None, one.peer))

    def make_room(self, peer: str, weight: int, *, may_be: Holder | None = None) -> bool:
        before = {one.peer: self.weight(one.peer) for one in self.present}
        all_before, own_before = list(self.present), self.weight(peer)
        going, has_room = self.shares.make_room(peer, weight)
        for one in going:
            self.check_goes(one, peer, weight)
            self.present.remove(one)
        if own_before + weight <= self.most_per_peer and sum(before.values()) + weight <= self.most:
            assert (going, has_room) == ([], True), "nobody goes while there is room"
        if not has_room:
            rest = [one for one in all_before if one in self.present]
            assert all(
                one.rank is Rank.ANSWERING or self.weight(one.peer) < own_before + weight
                for one in rest
                if one.peer != peer
            ), "refused only if nobody with as much has something to give up"
            assert all(one.rank is Rank.ANSWERING for one in rest if one.peer == peer)
        return has_room

    def check_goes(self, one: Holder, peer: str, weight: int) -> None:
        wanted = self.weight(peer) + weight
        assert one.rank is not Rank.ANSWERING
        mine = self.weight(one.peer) + (weight if one.peer == peer else 0)
        assert mine >= wanted or one.peer == peer, "never to a peer that holds more"
        if wanted > self.most_per_peer:
            assert one.peer == peer
        else:
            movable = {other.peer for other in self.present if other.rank is not Rank.ANSWERING} - {peer}
            assert all(self.weight(other) <= mine for other in movable), "the greediest first"
        before_it = self.present[: self.present.index(one)]
        siblings = [other for other in self.present if other.peer == one.peer]
        assert all(one.rank <= other.rank for other in siblings)
        assert not [other for other in before_it if other.peer == one.peer and other.rank is one.rank]

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
            has_room = self.make_room(holder.peer, how)
            if has_room and self.shares.holds(holder):
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
            late = {one for one in books.present if one.rank is rank and one.since < before}
            assert set(books.shares.overdue(rank, before)) == late


@given(st.integers(1, 6), st.integers(1, 200), st.integers(0, 5))
def test_whoever_holds_less_is_let_in_and_stays(reserve: int, attackers: int, few: int) -> None:
    """The reserve: what one peer cannot hold is there for the others, and nobody takes it away."""
    shares = Shares(8 + reserve, 8)
    mine = [Holder("victim", lambda: None) for _ in range(min(few, reserve))]
    for number in range(attackers):
        going, has_room = shares.make_room("attacker")
        assert has_room, "it takes the place of another one of its own"
        assert {one.peer for one in going} <= {"attacker"}
        shares.add(Holder("attacker", lambda: None))
        if number < len(mine):
            going, has_room = shares.make_room("victim")
            assert (has_room, {one.peer for one in going} - {"attacker"}) == (True, set())
            shares.add(mine[number])
    assert shares.of("victim") == min(attackers, len(mine))
