"""Probes that many Connectors share: one request at a time for all, and no other soon after a refusal.

A company's robot account stands in the Secrets of fifty namespaces. When its password expires, fifty
Connectors that each try it once are enough to lock it. Connectors share a refusal only if URL, credential and
CA are the same. Another path of a registry may accept a credential that this path refuses. They share another
result only if their places of files are the same, too: those decide where a redirect may lead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.schedule import REFUSED_SECONDS, shortest_refused_pause

MEMORY_SECONDS = 2 * REFUSED_SECONDS[1]
"""A refusal is forgotten this long after its pause: a Connector that still uses the credential has probed
again by then"""

ProbeRegistry = Callable[[RegistryAccess], Awaitable[Probe]]


@dataclass(frozen=True, slots=True)
class _Refusal:
    probe: Probe
    count: int
    until: float


class SharedProbes:
    """Wraps the function that probes a registry."""

    def __init__(self, probe: ProbeRegistry, clock: Callable[[], float]) -> None:
        self._probe = probe
        self._clock = clock
        self._under_way: dict[object, tuple[asyncio.Future[Probe], RegistryAccess]] = {}
        self._refusals: dict[object, _Refusal] = {}
        self._accepted_at: dict[object, float] = {}
        """Time of the last probe that went well"""

    async def probe(self, registry: RegistryAccess, *, insists: bool = False) -> Probe:
        """`insists`: a person changed the Connector, and wants a new result now."""
        if registry.credential is None:
            return await self._probe(registry)
        connector = registry.connector
        # `hash` is keyed: no password is stored here
        secrets_digest = hash((registry.credential, registry.ca))
        key = (connector.index_url, connector.probe_package, secrets_digest)
        while True:
            refusal = self._refusals.get(key)
            if refusal and not insists and self._clock() < refusal.until:
                return refusal.probe
            if key not in self._under_way:
                return await self._probe_for_all(key, registry)
            running, other = self._under_way[key]
            await asyncio.wait([running])
            # cancelled if the Connector that started it is gone: then the next Connector probes
            if not running.cancelled():
                probe = running.result()
                if probe.outcome == "refused" or _files(other) == _files(registry):
                    return probe

    async def _probe_for_all(self, key: object, registry: RegistryAccess) -> Probe:
        running: asyncio.Future[Probe] = asyncio.get_running_loop().create_future()
        self._under_way[key] = running, registry
        try:
            probe = await self._probe(registry)
            self._remember(key, probe)
            running.set_result(probe)
            return probe
        finally:
            del self._under_way[key]
            running.cancel()  # without effect after a result; else it wakes the waiting callers

    def _remember(self, key: object, probe: Probe) -> None:
        before = self._refusals.get(key)
        if probe.outcome == "refused":
            count = 1 + (before.count if before else 0)
            was_accepted = key in self._accepted_at
            until = self._clock() + shortest_refused_pause(count, was_accepted=was_accepted)
            self._refusals[key] = _Refusal(probe, count, until)
        elif probe.outcome == "ok":
            self._refusals.pop(key, None)
            self._accepted_at[key] = self._clock()
        long_ago = self._clock() - MEMORY_SECONDS
        self._refusals = {key: refusal for key, refusal in self._refusals.items() if refusal.until > long_ago}
        self._accepted_at = {key: time for key, time in self._accepted_at.items() if time > long_ago}


def _files(registry: RegistryAccess) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return registry.connector.file_origins, registry.connector.file_prefixes
