"""A limit for tokens that the broker has not accepted yet, by the address that they come from.

Anybody can make up tokens that look well, and each costs the broker a review. An address has a few attempts,
which come back with each token that is accepted, and otherwise slowly.
"""

from sidecar.sockets.loop import Loop

ATTEMPTS = 32.0
"""Of one address at once; arbitrary. Many build Pods may come from behind one address"""
PER_SECOND = 1.0
_ADDRESSES = 4096


class Strangers:
    """Attempts of each address, refilled with time."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._left: dict[str, tuple[float, float]] = {}
        """Address → attempts left, and when that was so; the oldest first"""

    def attempt(self, address: str) -> bool:
        """Take an attempt, if there is any."""
        left = self._now_left(address)
        if left < 1.0:
            return False
        self._note(address, left - 1.0)
        return True

    def accept(self, address: str) -> None:
        """The token was valid: give the attempt back."""
        self._note(address, min(ATTEMPTS, self._now_left(address) + 1.0))

    def _now_left(self, address: str) -> float:
        left, since = self._left.get(address, (ATTEMPTS, self._loop.now))
        return min(ATTEMPTS, left + (self._loop.now - since) * PER_SECOND)

    def _note(self, address: str, left: float) -> None:
        self._left.pop(address, None)
        if left < ATTEMPTS:
            self._left[address] = (left, self._loop.now)
        if len(self._left) > _ADDRESSES:
            del self._left[next(iter(self._left))]
