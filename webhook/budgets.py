"""The bytes of reviews that admission holds at a time, counted as they arrive and until they are answered."""

from collections.abc import Callable
from types import TracebackType

from webhook.shares import Holder, Rank, Shares

PARSED_PER_BYTE = 4
"""One character outside of the basic plane makes a text take four bytes for each."""
PARSED_PER_OBJECT = 200
"""On top of the value that it is: a dict with an item has 232 bytes, and 16 for the garbage collector"""
PARSED_PER_VALUE = 80
"""A list, text or number, and its place in whatever holds it. All three were fitted to what Python takes:
`tests/test_budgets.py` compares."""


class Overfull(Exception):
    """There is no room for these bytes, or none any more."""


class Budget:
    """Of one process. `webhook.shares` says whose bytes go when it is used up."""

    def __init__(self, most_bytes: int, most_bytes_per_peer: int) -> None:
        self._shares = Shares(most_bytes, most_bytes_per_peer)

    @property
    def held_bytes(self) -> int:
        return self._shares.weight

    def hold(self, peer: str) -> "Hold":
        return Hold(self._shares, peer)


class Hold:
    """What one request holds, while entered."""

    def __init__(self, shares: Shares, peer: str) -> None:
        self._shares = shares
        self._holder = Holder(peer, self._expel, weight=0, rank=Rank.RECEIVING)
        self._interrupt: Callable[[], None] = lambda: None

    def __enter__(self) -> "Hold":
        self._shares.add(self._holder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shares.drop(self._holder)

    @property
    def is_expelled(self) -> bool:
        return not self._shares.holds(self._holder)

    def while_receiving(self, interrupt: Callable[[], None]) -> None:
        """`interrupt` is called at most once, if the bytes must go before they are complete."""
        self._interrupt = interrupt

    def settle(self) -> None:
        """All have come: from now on they stay until they are answered."""
        self._interrupt = lambda: None
        self._shares.move(self._holder, Rank.ANSWERING, 0.0)

    def grow(self, count: int) -> None:
        """`Overfull` if there is no room for so many more."""
        if self.is_expelled:
            raise Overfull
        going, has_room = self._shares.make_room(self._holder.peer, count)
        for holder in going:
            holder.expel()
        if not has_room or self.is_expelled:
            raise Overfull
        self._shares.grow(self._holder, count)

    def _expel(self) -> None:
        self._interrupt()


def parsed_bytes(body: bytes | bytearray) -> int:
    """At most so much does its JSON take in memory. `[[],[],…` takes thirty times its own length."""
    objects = body.count(b"{")
    values = body.count(b"[") + body.count(b",") + body.count(b":") + 1
    return PARSED_PER_BYTE * len(body) + PARSED_PER_OBJECT * objects + PARSED_PER_VALUE * values
