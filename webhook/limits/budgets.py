"""The budget for bytes of reviews. They count from their arrival until the client has read the answer."""

from collections.abc import Callable
from types import TracebackType

from webhook.limits.shares import Holder, Rank, Shares

PARSED_PER_BYTE = 4
"""A single character outside the basic plane makes Python store four bytes for each character."""
PARSED_PER_OBJECT = 200
"""In addition to PARSED_PER_VALUE: a dict with an item has 232 bytes, plus 16 for the garbage collector"""
PARSED_PER_VALUE = 80
"""A list, text or number, with its slot in the container. All three were fitted to measurements:
`tests/unit/webhook/limits/test_budgets.py` compares."""


class Overfull(Exception):
    """These bytes do not fit, or were evicted."""


class Budget:
    """The budget of one process. When it is used up, `webhook.limits.shares` chooses the victim."""

    def __init__(self, limit: int, limit_per_peer: int) -> None:
        self._shares = Shares(limit, limit_per_peer)

    @property
    def held_bytes(self) -> int:
        return self._shares.weight

    def hold(self, peer: str, interrupt: Callable[[], None]) -> "Hold":
        """`interrupt` is called at most once, when the bytes are evicted: it ends the request."""
        return Hold(self._shares, peer, interrupt)


class Hold:
    """The bytes of one request. A context manager: they count until its end."""

    def __init__(self, shares: Shares, peer: str, interrupt: Callable[[], None]) -> None:
        self._shares = shares
        self._holder = Holder(peer, interrupt, weight=0, rank=Rank.RECEIVING)

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

    def settle(self) -> None:
        """The body is complete: from now on it is evicted last."""
        self._shares.move(self._holder, Rank.ANSWERING, 0.0)

    def answer(self, count: int) -> None:
        """Count the bytes of the answer. Until the client has read them, they are evicted before the requests
        that we still work on."""
        self.grow(count)
        self._shares.move(self._holder, Rank.RECEIVING, 0.0)

    def grow(self, count: int) -> None:
        """Add to the count. `Overfull` if the bytes do not fit."""
        if self.is_expelled:
            raise Overfull
        evicted, has_room = self._shares.make_room(self._holder.peer, count, self._holder)
        for holder in evicted:
            holder.expel()
        if not has_room:
            raise Overfull
        self._shares.grow(self._holder, count)


def parsed_bytes(body: bytes | bytearray) -> int:
    """Upper bound for the memory of the parsed JSON. `[[],[],…` takes thirty times its own length."""
    objects = body.count(b"{")
    values = body.count(b"[") + body.count(b",") + body.count(b":") + 1
    return PARSED_PER_BYTE * len(body) + PARSED_PER_OBJECT * objects + PARSED_PER_VALUE * values
