"""Decides whether a registry is probed now, and probes it."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Literal

from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.limits.fair_slots import FairSlots
from webhook.status import schedule
from webhook.status.inspection import Inspection
from webhook.status.pace import Pace
from webhook.status.reported import identity, reported_probe, reported_versions
from webhook.status.schedule import LastProbe, ProbeKey
from webhook.status.shared_probes import ProbeRegistry, SharedProbes

logger = logging.getLogger(__name__)

PROBES_LIMIT = 128
"""Registries probed at once, 64 of one namespace. If a thousand hang for 10 s in 300 s, 34 are under way."""

Turn = Literal["first", "repeated"]
"""The turn that a probe needs. `repeated`: a place (`Prober.places`). `first`: a place, and room in the
namespace's pace"""


class Prober:
    """`clock` returns monotonic seconds."""

    def __init__(self, probe: ProbeRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shared_probes = SharedProbes(probe, clock)
        self._pace = Pace(clock)
        self.places = FairSlots(PROBES_LIMIT)

    async def wait_for_pace(self, namespace: str, changed: asyncio.Event) -> bool:
        """Wait for room in the namespace's pace.

        False: the Connector changed meanwhile, and may need no probe any more.
        """
        entering = asyncio.ensure_future(self._pace.enter(namespace))
        changing = asyncio.ensure_future(changed.wait())
        try:
            await asyncio.wait([entering, changing], return_when=asyncio.FIRST_COMPLETED)
            return entering.done()
        finally:
            entering.cancel()
            changing.cancel()

    async def probe(
        self,
        manifest: Mapping[str, Any],
        inspection: Inspection,
        last: LastProbe | None,
        turn: Turn | None,
    ) -> LastProbe | Turn:
        """The newest probe, new or known; or the turn that a probe needs, if `turn` is not enough.

        | the last probe                      | a new probe needs               |
        |-------------------------------------|---------------------------------|
        | is valid and not due                | nothing: `last` is the answer   |
        | is valid and due                    | the turn `repeated`, or `first` |
        | is of another spec or Secret        | the turn `first`                |
        | does not exist, nor in the status   | the turn `first`                |
        """
        assert inspection.registry is not None  # noqa: S101
        has_secret = bool(inspection.has_secret)
        # by content: a label on the Secret is no reason to try a wrong password again. `hash` is keyed
        registry = inspection.registry
        of_class = registry.connector.index_url, registry.connector.probe_package
        key = ProbeKey(*identity(manifest), hash((registry.credential, registry.ca, *of_class)))
        if last is None and reported_versions(manifest) == inspection.versions:
            last = self._restored(manifest, key, has_secret=has_secret)
        if last and not schedule.is_due(last, key, self._clock()):
            return last
        needed: Turn = "repeated" if last is not None and last.key == key else "first"
        if turn is None or (needed == "first" and turn != "first"):
            return needed
        is_spec_changed = last is not None and last.key.generation != key.generation
        probe = await self._shared_probes.probe(inspection.registry, insists=is_spec_changed)
        if turn == "first" and probe.outcome == "ok":
            self._pace.give_back(inspection.registry.connector.namespace)
        self._log(inspection.registry, probe, last)
        now, spread = self._clock(), random.random()  # noqa: S311
        return schedule.after_probe(last, key, probe, has_secret=has_secret, now=now, spread=spread)

    def _restored(self, manifest: Mapping[str, Any], key: ProbeKey, *, has_secret: bool) -> LastProbe | None:
        probe = reported_probe(manifest)
        if probe is None:
            return None
        now, spread = self._clock(), random.random()  # noqa: S311
        return schedule.restored(key, probe, has_secret=has_secret, now=now, spread=spread)

    def _log(self, registry: RegistryAccess, probe: Probe, last: LastProbe | None) -> None:
        """Log the cause, which the status leaves out: authors of Connectors read the status."""
        if probe.cause and (last is None or last.probe.cause != probe.cause):
            logger.info(
                "registry not reached", extra={"connector": str(registry.connector.key), "cause": probe.cause}
            )
