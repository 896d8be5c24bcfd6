"""Turns for requests: in each turn of the event loop a single request goes on, and the peers take turns.

Example: an attacker with 380 connections sends a request on each, as soon as the last is answered. Without
turns the loop works on 380 requests, for 0.1 s, before it looks at its sockets again. A new client needs
about eight such rounds, for handshake, request and answer. With turns a round has one request, and the new
client's request is the next.
"""

import asyncio
from collections import OrderedDict, deque


class Turns:
    """The queues of one server. Without a crowd a turn comes at once, with the next round of the loop."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Peer → queue. A new peer comes last, and a peer moves to the end after its turn"""
        self._is_going = False

    async def turn(self, peer: str) -> None:
        """Return when it is this request's turn."""
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        self._waiting.setdefault(peer, deque()).append(place)
        if not self._is_going:
            self._is_going = True
            loop.call_soon(self._next)
        await place

    def _next(self) -> None:
        while self._waiting:
            peer, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            if queue:
                self._waiting[peer] = queue
            if not place.done():  # done: its request was cancelled
                place.set_result(None)
                break
        self._is_going = bool(self._waiting)
        if self._is_going:
            asyncio.get_running_loop().call_soon(self._next)
