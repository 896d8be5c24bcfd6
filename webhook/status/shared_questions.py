"""Questions that many Connectors ask alike: asked once at a time, and not again soon after a refusal.

A company's robot account stands in the Secrets of fifty namespaces. When its password expires, fifty
Connectors that each try it once are enough to lock it. What is shared is the answer to one and the same
question: another path of the same registry may well take a credential that this one refuses.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.schedule import REFUSED_SECONDS, shortest_refused_pause

FORGOTTEN_SECONDS = 2 * REFUSED_SECONDS[1]
"""After the time of the next question: a Connector that still asks it has done so by then"""

Ask = Callable[[RegistryAccess], Awaitable[Probe]]


@dataclass(frozen=True, slots=True)
class _Refusal:
    probe: Probe
    count: int
    until: float


class Trials:
    """Around whatever asks a registry."""

    def __init__(self, ask: Ask, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._under_way: dict[object, asyncio.Future[Probe]] = {}
        self._refused: dict[object, _Refusal] = {}
        self._accepted: dict[object, float] = {}
        """Question → time of its last good answer"""

    async def ask(self, registry: RegistryAccess, *, insists: bool = False) -> Probe:
        """`insists`: a person changed the Connector, and wants to know now."""
        if registry.credential is None:
            return await self._ask(registry)
        connector = registry.connector
        # `hash` is keyed: no password is kept here
        material = hash((registry.credential, registry.ca))
        question = (connector.index_url, connector.probe_package, material)
        while True:
            refusal = self._refused.get(question)
            if refusal and not insists and self._clock() < refusal.until:
                return refusal.probe
            running = self._under_way.get(question)
            if running is None:
                return await self._try(question, registry)
            await asyncio.wait([running])
            # cancelled if the Connector that asked is gone: then the next one asks
            if not running.cancelled():
                return running.result()

    async def _try(self, question: object, registry: RegistryAccess) -> Probe:
        running = self._under_way[question] = asyncio.get_running_loop().create_future()
        try:
            seen = await self._ask(registry)
            self._remember(question, seen)
            running.set_result(seen)
            return seen
        finally:
            del self._under_way[question]
            running.cancel()

    def _remember(self, question: object, seen: Probe) -> None:
        before = self._refused.get(question)
        if seen.outcome == "refused":
            count = 1 + (before.count if before else 0)
            was_accepted = question in self._accepted
            until = self._clock() + shortest_refused_pause(count, was_accepted=was_accepted)
            self._refused[question] = _Refusal(seen, count, until)
        elif seen.outcome == "ok":
            self._refused.pop(question, None)
            self._accepted[question] = self._clock()
        long_ago = self._clock() - FORGOTTEN_SECONDS
        self._refused = {key: one for key, one in self._refused.items() if one.until > long_ago}
        self._accepted = {key: time for key, time in self._accepted.items() if time > long_ago}
