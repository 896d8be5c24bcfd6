"""Asks the registries of Connectors: whether it is time, at which pace, and what they show."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from webhook.controller import schedule
from webhook.controller.conditions import Probe
from webhook.controller.inspection import Inspection
from webhook.controller.pace import Pace
from webhook.controller.status import identity, told_probe, told_versions
from webhook.controller.trials import Trials
from webhook.manifests import Registry

logger = logging.getLogger(__name__)

Turn = Literal["first", "repeated"]
"""What asking a registry takes: `first`, also the namespace's pace (`Pace`); `repeated`, a place alone"""


class Asking:
    """`clock` tells monotonic seconds."""

    def __init__(self, probe: Callable[[Registry], Awaitable[Probe]], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._trials = Trials(probe, clock)
        self.pace = Pace(clock)

    async def ask(
        self,
        manifest: Mapping[str, Any],
        found: Inspection,
        before: schedule.Answer | None,
        turn: Turn | None,
    ) -> schedule.Answer | Turn:
        """The newest answer, of now or of before; or the turn that asking takes, if it is not this one."""
        assert found.registry is not None  # noqa: S101
        has_secret = bool(found.has_secret)
        # by content: a label on the Secret is no reason to try a wrong password once more. `hash` is keyed
        material = hash((found.registry.credential, found.registry.ca))
        subject = schedule.Subject(*identity(manifest), material)
        if before is None and told_versions(manifest) == found.versions and (told := told_probe(manifest)):
            now, spread = self._clock(), random.random()  # noqa: S311
            before = schedule.taken_over(subject, told, has_secret=has_secret, now=now, spread=spread)
        if before and not schedule.is_due(before, subject, self._clock()):
            return before
        needed: Turn = "repeated" if before is not None and before.subject == subject else "first"
        if turn is None or (needed == "first" and turn != "first"):
            return needed
        is_changed = before is not None and before.subject.generation != subject.generation
        seen = await self._trials.ask(found.registry, insists=is_changed)
        if turn == "first" and seen.outcome == "ok":
            self.pace.give_back(found.registry.connector.namespace)
        self._log(found.registry, seen, before)
        now, spread = self._clock(), random.random()  # noqa: S311
        return schedule.next_answer(before, subject, seen, has_secret=has_secret, now=now, spread=spread)

    def _log(self, registry: Registry, seen: Probe, before: schedule.Answer | None) -> None:
        """The status says less, for the authors of Connectors read it."""
        if seen.cause and (before is None or before.probe.cause != seen.cause):
            key = f"{registry.connector.namespace}/{registry.connector.name}"
            logger.info("registry not reached", extra={"connector": key, "cause": seen.cause})
