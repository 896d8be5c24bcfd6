"""Probes of the registries of Connectors: when, at which pace, and with which result."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status import schedule
from webhook.status.inspection import Inspection
from webhook.status.pace import Pace
from webhook.status.patch import identity, told_probe, told_versions
from webhook.status.shared_questions import Trials

logger = logging.getLogger(__name__)

Turn = Literal["first", "repeated"]
"""What a probe needs: `repeated`, a place; `first`, a place and room in the namespace's pace (`Pace`)"""


class Asking:
    """`clock` returns monotonic seconds."""

    def __init__(
        self, probe: Callable[[RegistryAccess], Awaitable[Probe]], clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._trials = Trials(probe, clock)
        self.pace = Pace(clock)

    async def ask(
        self,
        manifest: Mapping[str, Any],
        inspection: Inspection,
        before: schedule.Answer | None,
        turn: Turn | None,
    ) -> schedule.Answer | Turn:
        """The newest answer, new or known; or the turn that a probe needs, if `turn` is not enough."""
        assert inspection.registry is not None  # noqa: S101
        has_secret = bool(inspection.has_secret)
        # by content: a label on the Secret is no reason to try a wrong password again. `hash` is keyed
        material = hash((inspection.registry.credential, inspection.registry.ca))
        subject = schedule.Subject(*identity(manifest), material)
        is_reported = before is None and told_versions(manifest) == inspection.versions
        if is_reported and (reported := told_probe(manifest)):
            now, spread = self._clock(), random.random()  # noqa: S311
            before = schedule.taken_over(subject, reported, has_secret=has_secret, now=now, spread=spread)
        if before and not schedule.is_due(before, subject, self._clock()):
            return before
        needed: Turn = "repeated" if before is not None and before.subject == subject else "first"
        if turn is None or (needed == "first" and turn != "first"):
            return needed
        is_changed = before is not None and before.subject.generation != subject.generation
        seen = await self._trials.ask(inspection.registry, insists=is_changed)
        if turn == "first" and seen.outcome == "ok":
            self.pace.give_back(inspection.registry.connector.namespace)
        self._log(inspection.registry, seen, before)
        now, spread = self._clock(), random.random()  # noqa: S311
        return schedule.next_answer(before, subject, seen, has_secret=has_secret, now=now, spread=spread)

    def _log(self, registry: RegistryAccess, seen: Probe, before: schedule.Answer | None) -> None:
        """Log the cause, which the status leaves out: authors of Connectors read the status."""
        if seen.cause and (before is None or before.probe.cause != seen.cause):
            key = str(registry.connector.key)
            logger.info("registry not reached", extra={"connector": key, "cause": seen.cause})
