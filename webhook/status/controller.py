"""The controller: one replica of the broker keeps the status of all Connectors true.

A task visits each Connector, so a slow registry delays no other. The tasks share their places by namespace
(`limits.fairness`). A visit looks (`observer`), then writes the status (`writer`). A changed spec is visited
at once. The controller does not watch Secrets, which would need the right to list all of them: it reads each
within the period, and compares. `schedule` decides when a registry is probed.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from webhook import names
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache, Key
from webhook.cluster.class_lookup import ClassLookup
from webhook.cluster.events import Recorder
from webhook.cluster.trim import Json, is_abridged
from webhook.connector.manifest import class_name
from webhook.connector.proxy_address import DEFAULT_DOMAIN
from webhook.errors import ClusterRefused, ClusterUnavailable, describe_failure
from webhook.identifiers import ConnectorKey
from webhook.limits.fair_slots import FairSlots
from webhook.status import schedule
from webhook.status.class_status import ClassStatuses
from webhook.status.gateway import Gateway
from webhook.status.lease import Lease
from webhook.status.observer import Look, Observer, key_of
from webhook.status.probe import probe as probe_registry
from webhook.status.prober import Prober, Turn
from webhook.status.reported import identity, is_current
from webhook.status.shared_probes import ProbeRegistry
from webhook.status.writer import StatusWriter

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 25.0
"""Longest time until a changed Secret is noticed; the documentation promises 30 s. A thousand Connectors with
a Secret cost 45 reads a second, each of an object in the memory of the API server or of etcd."""

CALLS_LIMIT = 16
"""Requests to the API server at once: a quarter of the connections that this process shares with grants. A
single namespace gets half of them (`webhook.limits.fairness`), which keep one CPU busy"""


@dataclass(slots=True)
class _Tracked:
    """A Connector that the controller keeps visiting."""

    manifest: Json
    """The newest state, from the watch or from the answer to a patch of ours"""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    last_probe: schedule.LastProbe | None = None
    failures: int = 0
    """Visits in a row that the cluster failed"""
    task: "asyncio.Task[None] | None" = None


class Controller:
    """Run `run` in a task of its own. The Cache of Connectors announces their changes."""

    def __init__(
        self,
        api: Api,
        connectors: Cache,
        classes: Cache,
        lease: Lease,
        *,
        recorder: Recorder | None = None,
        gateway: Gateway | None = None,
        probe: ProbeRegistry = probe_registry,
        period_seconds: float = PERIOD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._connectors = connectors
        self._lease = lease
        self._period_seconds = period_seconds
        self._clock = clock
        self._prober = Prober(probe, clock)
        calls = FairSlots(CALLS_LIMIT)
        self._classes = classes
        self._class_statuses = ClassStatuses(api, classes)
        self._gateway = gateway or Gateway(api, namespace=names.NAMESPACE, domain=DEFAULT_DOMAIN)
        self._gateway.on_change = self._on_address_change
        self._observer = Observer(api, calls, self._prober, self._gateway, ClassLookup(classes))
        self._writer = StatusWriter(api, calls, recorder)
        self._group: asyncio.TaskGroup | None = None
        """While leading"""
        self._tracked: dict[Key, _Tracked] = {}
        self._class_identities: dict[str, tuple[str, int]] = {}
        self._in_namespace: Counter[str] = Counter()
        """Number of tracked Connectors"""
        connectors.add_listener(self._on_change)
        classes.add_listener(self._on_class_change)

    @property
    def is_leading(self) -> bool:
        return self._group is not None

    async def run(self) -> None:
        """Until cancelled; the Lease is released then."""
        await self._lease.run(self._lead)

    def doubt(self, connector: ConnectorKey) -> None:
        """Pods report that this Connector's registry does not serve them. Only the leading replica acts."""
        tracked = self._tracked.get(connector)
        if tracked is None or tracked.last_probe is None:
            return
        doubted = schedule.doubted(tracked.last_probe, self._clock())
        if doubted is not tracked.last_probe:
            tracked.last_probe = doubted
            tracked.changed.set()

    def _on_change(self, key: Key, manifest: Json | None) -> None:
        """A Connector is new, changed or deleted."""
        tracked = self._tracked.get(key)
        if manifest is None:
            deleted = self._tracked.pop(key, None)
            if deleted and deleted.task:
                deleted.task.cancel()
                self._in_namespace[key[0]] -= 1
        elif tracked is None:
            if self._group is not None:
                self._track(self._group, key, manifest, pause=0.0)
        else:
            # the watch returns our own patches too, which do not change the generation
            is_new = identity(tracked.manifest) != identity(manifest)
            tracked.manifest = manifest
            if is_new:
                tracked.changed.set()

    def _on_address_change(self, key: ConnectorKey | None) -> None:
        affected = self._tracked.values() if key is None else filter(None, [self._tracked.get(key)])
        for tracked in affected:
            tracked.changed.set()

    def _on_class_change(self, key: Key, manifest: Json | None) -> None:
        """A class is new, changed or deleted: look at its Connectors. Our own status changes no identity."""
        found = identity(manifest or {})
        if self._class_identities.get(key[1]) == found:
            return
        self._class_identities[key[1]] = found
        for tracked in self._tracked.values():
            if class_name(tracked.manifest) in (key[1], "") or is_abridged(tracked.manifest):
                tracked.changed.set()

    async def _lead(self) -> None:
        await self._connectors.synced.wait()
        await self._classes.synced.wait()
        async with asyncio.TaskGroup() as group:
            try:
                group.create_task(self._gateway.run())
                await self._gateway.known.wait()
                self._group = group
                group.create_task(self._class_statuses.run())
                self._track_all(group)
                await asyncio.Event().wait()
            finally:
                # before the group waits for its tasks: a task that the watch adds then would be an error
                self._group = None
                self._tracked.clear()
                self._in_namespace.clear()

    def _track_all(self, group: asyncio.TaskGroup) -> None:
        in_namespace = Counter(key_of(manifest).namespace for manifest in self._connectors)
        for manifest in self._connectors:
            key = key_of(manifest)
            # a status that another replica has just written is checked in its turn, not with all others
            longest = schedule.look_period(self._period_seconds, in_namespace[key.namespace])
            pause = random.uniform(0, longest) if is_current(manifest) else 0.0  # noqa: S311
            self._track(group, key, manifest, pause)

    def _track(self, group: asyncio.TaskGroup, key: Key, manifest: Json, pause: float) -> None:
        tracked = _Tracked(manifest)
        self._tracked[key] = tracked
        self._in_namespace[key[0]] += 1
        tracked.task = group.create_task(self._visit_for_ever(tracked, pause))

    async def _visit_for_ever(self, tracked: _Tracked, pause: float) -> None:
        while True:
            await _wait(tracked.changed, pause)
            tracked.changed.clear()
            begun = self._clock()
            try:
                await self._visit(tracked)
                tracked.failures = 0
            except ClusterUnavailable as error:
                tracked.failures += 1
                # the status stays as it is; the watch logs a warning once for all Connectors
                self._log(logging.DEBUG, "connector not looked at", tracked, cause=str(error))
            except ClusterRefused as error:
                tracked.failures += 1
                self._log(logging.WARNING, "connector not looked at", tracked, cause=str(error))
            except Exception as error:  # noqa: BLE001 (an edge: one Connector must not end the others)
                tracked.failures += 1
                self._log(logging.ERROR, "internal error", tracked, **describe_failure(error))
            pause = max(0.0, begun + self._next_visit(tracked) - self._clock())

    def _next_visit(self, tracked: _Tracked) -> float:
        """Seconds. Soon after a failure of the cluster, for a change may be waiting."""
        in_namespace = self._in_namespace[key_of(tracked.manifest).namespace]
        longest = schedule.look_period(self._period_seconds, in_namespace)
        if tracked.failures:
            longest = min(longest, 2.0 ** min(tracked.failures, 16))
        return longest * random.uniform(0.8, 1.0)  # noqa: S311

    async def _visit(self, tracked: _Tracked) -> None:
        """Look and write the status. If the registry is due, wait for the probe's turn and do both again.

        The second look reads the Secrets again, for the first look drops them before the wait: a CA may have
        a mebibyte, and thousands may wait. A place is held until the status is written: probes must not be
        faster than writes.
        """
        due = await self._look_and_write(tracked, turn=None)
        while due is not None:
            namespace = key_of(tracked.manifest).namespace
            if due == "first" and not await self._prober.wait_for_pace(namespace, tracked.changed):
                return
            async with self._prober.places.hold(namespace):
                due = await self._look_and_write(tracked, turn=due)

    async def _look_and_write(self, tracked: _Tracked, *, turn: Turn | None) -> Turn | None:
        """Returns the turn that the registry's probe needs, if `turn` is not enough."""
        known = tracked.last_probe
        look = await self._observer.look(tracked.manifest, known, turn)
        if look is None:
            return None
        # a look that learned nothing must not undo a `doubt` that came in the meantime
        if look.last_probe is not None and look.last_probe is not known:
            tracked.last_probe = look.last_probe
        await self._write(tracked, look)
        return look.due

    async def _write(self, tracked: _Tracked, look: Look) -> None:
        """Write the status, unless the spec changed since the look: then visit again."""
        current = tracked.manifest
        if look.report is not None and identity(current) == identity(look.manifest):
            written = await self._writer.write(current, look.report)
            if tracked.manifest is current:  # else the watch was faster, and may know more
                tracked.manifest = written
        if identity(tracked.manifest) != identity(look.manifest):
            tracked.changed.set()

    def _log(self, level: int, message: str, tracked: _Tracked, **fields: object) -> None:
        logger.log(level, message, extra={"connector": str(key_of(tracked.manifest)), **fields})


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass
