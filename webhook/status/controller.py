"""Connectors' status, kept true by one replica, which looks at class, Secrets and registry.

A task attends to each Connector, so a slow registry delays no other. The tasks share their places by
namespace (`limits.fairness`). A spec is looked at as soon as it changes. The controller does not watch
Secrets, which would need the right to list all of them: it reads each within the period, and compares. A
registry is asked when `schedule` says so.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook import names
from webhook.clients.endpoints import index_url
from webhook.clients.ports import default_port
from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache, Key
from webhook.cluster.events import Recorder
from webhook.cluster.trim import is_abridged, without_texts
from webhook.connector.conditions import TYPES, Observed, Probe, conditions
from webhook.connector.registry import RegistryAccess
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.errors import ClusterRefused, ClusterUnavailable, describe_failure
from webhook.identifiers import ConnectorKey
from webhook.limits.fair_slots import FairSlots
from webhook.status import schedule
from webhook.status.asking import Asking, Turn
from webhook.status.inspection import Inspection, inspect
from webhook.status.lease import Lease, Times
from webhook.status.patch import Report, condition, identity, is_current
from webhook.status.probe import probe as probe_registry
from webhook.status.writer import StatusWriter

logger = logging.getLogger(__name__)

Json = dict[str, Any]

PERIOD_SECONDS = 25.0
"""Longest time until a changed Secret is seen: what is promised is 30 s. A thousand Connectors with a Secret
are 45 reads a second, each of an object in the API server's memory or etcd's."""

CALLS = 16
"""Requests to the API server at once: a quarter of the connections that this process shares with grants. One
namespace gets half of them (`webhook.limits.fairness`), which keep one CPU busy"""

PROBES = 128
"""Registries asked at once, 64 of one namespace. If a thousand hang, 10 s in 300 s each, 34 are under way."""


@dataclass(slots=True)
class _Attendance:
    """One Connector, while it is attended."""

    manifest: Json
    """As newest seen, by the watch or in the answer to a patch of ours"""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answer: schedule.Answer | None = None
    failures: int = 0
    """Of the cluster, in a row"""
    task: "asyncio.Task[None] | None" = None


class Controller:
    """Run `run` in a task of its own, and let the Cache of Connectors call `on_change`."""

    def __init__(
        self,
        api: Api,
        connectors: Cache,
        *,
        identity: str,
        namespace: str,
        recorder: Recorder | None = None,
        probe: Callable[[RegistryAccess], Awaitable[Probe]] = probe_registry,
        period_seconds: float = PERIOD_SECONDS,
        times: Times | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._connectors = connectors
        self._period_seconds = period_seconds
        self._clock = clock
        self._lease = Lease(
            api, namespace=namespace, name=names.CONTROLLER_LEASE, identity=identity, times=times
        )
        self._classes: Cache | None = None
        self._calls = FairSlots(CALLS)
        self._writer = StatusWriter(api, self._calls, recorder)
        self._asking = Asking(probe, clock)
        self._probes = FairSlots(PROBES)
        self._group: asyncio.TaskGroup | None = None
        """While leading"""
        self._attended: dict[Key, _Attendance] = {}
        self._in_namespace: Counter[str] = Counter()
        """Number of attended Connectors"""

    @property
    def is_leading(self) -> bool:
        return self._group is not None

    async def run(self) -> None:
        """Until cancelled; the Lease is released then."""
        await self._lease.run(self._lead)

    def on_change(self, key: Key, manifest: Json | None) -> None:
        """A Connector is new, changed, or gone."""
        attendance = self._attended.get(key)
        if manifest is None:
            gone = self._attended.pop(key, None)
            if gone and gone.task:
                gone.task.cancel()
                self._in_namespace[key[0]] -= 1
        elif attendance is None:
            if self._group is not None:
                self._attend(self._group, key, manifest, pause=0.0)
        else:
            # our own patches come by here too, and change no generation
            is_new = identity(attendance.manifest) != identity(manifest)
            attendance.manifest = manifest
            if is_new:
                attendance.changed.set()

    def doubt(self, connector: ConnectorKey) -> None:
        """Pods say that this Connector's registry does not serve them. Only the leading replica acts."""
        attendance = self._attended.get(connector)
        if attendance is None or attendance.answer is None:
            return
        doubted = schedule.doubted(attendance.answer, self._clock())
        if doubted is not attendance.answer:
            attendance.answer = doubted
            attendance.changed.set()

    async def _lead(self) -> None:
        await self._connectors.synced.wait()
        classes = Cache(self._api, paths.CONNECTOR_CLASSES, trim.presence)
        classes.on_change = self._on_class_change
        async with asyncio.TaskGroup() as group:
            try:
                group.create_task(classes.run())
                await classes.synced.wait()
                self._classes, self._group = classes, group
                crowds = Counter(_key(manifest)[0] for manifest in self._connectors)
                for manifest in self._connectors:
                    key = _key(manifest)
                    # what another replica told a moment ago is looked at in its turn, not all at once
                    longest = schedule.look_period(self._period_seconds, crowds[key[0]])
                    pause = random.uniform(0, longest) if is_current(manifest) else 0.0  # noqa: S311
                    self._attend(group, key, manifest, pause)
                await asyncio.Event().wait()
            finally:
                # before the group waits for its tasks' ends: it raises at whoever joins it then, the watch
                self._group = None
                self._attended.clear()
                self._in_namespace.clear()

    def _on_class_change(self, _key: Key, _manifest: Json | None) -> None:
        for attendance in self._attended.values():
            attendance.changed.set()

    def _attend(self, group: asyncio.TaskGroup, key: Key, manifest: Json, pause: float) -> None:
        attendance = _Attendance(manifest)
        self._attended[key] = attendance
        self._in_namespace[key[0]] += 1
        attendance.task = group.create_task(self._attend_for_ever(attendance, pause))

    async def _attend_for_ever(self, attendance: _Attendance, pause: float) -> None:
        while True:
            await _wait(attendance.changed, pause)
            attendance.changed.clear()
            begun = self._clock()
            try:
                await self._visit(attendance)
                attendance.failures = 0
            except ClusterUnavailable as error:
                attendance.failures += (
                    1  # the status stays as it is; the watch's own line says it once for all
                )
                self._log(logging.DEBUG, "connector not looked at", attendance, cause=str(error))
            except ClusterRefused as error:
                attendance.failures += 1
                self._log(logging.WARNING, "connector not looked at", attendance, cause=str(error))
            except Exception as error:  # noqa: BLE001 (an edge: one Connector must not end the others)
                attendance.failures += 1
                self._log(logging.ERROR, "internal error", attendance, **describe_failure(error))
            pause = max(0.0, begun + self._next_look(attendance) - self._clock())

    def _next_look(self, attendance: _Attendance) -> float:
        """Seconds. Soon after a failure of the cluster, for a change may be waiting."""
        in_namespace = self._in_namespace[_key(attendance.manifest)[0]]
        longest = schedule.look_period(self._period_seconds, in_namespace)
        if attendance.failures:
            longest = min(longest, 2.0 ** min(attendance.failures, 16))
        return longest * random.uniform(0.8, 1.0)  # noqa: S311

    async def _visit(self, attendance: _Attendance) -> None:
        """Look once. If the registry has to be asked, wait for a place at the probes and look again.

        The first look drops its Secrets before the wait: a CA may have a mebibyte, and thousands may wait.
        """
        namespace = _key(attendance.manifest)[0]
        due = await self._look(attendance, turn=None)
        while due is not None:
            if due == "first" and not await self._enter(namespace, attendance.changed):
                return
            async with self._probes.hold(namespace):
                due = await self._look(attendance, turn=due)

    async def _enter(self, namespace: str, changed: asyncio.Event) -> bool:
        """Wait for the namespace's pace. False: the Connector changed, and may need no registry any more."""
        entering = asyncio.ensure_future(self._asking.pace.enter(namespace))
        changing = asyncio.ensure_future(changed.wait())
        try:
            await asyncio.wait([entering, changing], return_when=asyncio.FIRST_COMPLETED)
            return entering.done()
        finally:
            entering.cancel()
            changing.cancel()

    async def _look(self, attendance: _Attendance, *, turn: Turn | None) -> Turn | None:
        """Report the known state. Returns the turn that a probe needs, if `turn` is not enough."""
        manifest = attendance.manifest
        if manifest["metadata"].get("deletionTimestamp"):
            return None
        assert self._classes is not None  # noqa: S101 (nothing is attended before)
        class_exists = self._classes.get("", names.CONNECTOR_CLASS) is not None
        # reading takes time of this loop: a thousand new Connectors are read in turn too
        async with self._calls.hold(_key(manifest)[0]):
            whole = await self._whole(manifest)
            if whole is None:
                return None
            inspection = await inspect(whole, self._secret, class_exists=class_exists)
        if inspection.registry is None:
            await self._tell(attendance, manifest, inspection, None)
            return None
        answer = await self._asking.ask(manifest, inspection, attendance.answer, turn)
        if not isinstance(answer, schedule.Answer):
            if not all(condition(manifest, kind) for kind in TYPES):
                await self._tell(attendance, manifest, inspection, None)
            return answer
        attendance.answer = answer
        await self._tell(attendance, manifest, inspection, answer.probe)
        return None

    async def _whole(self, manifest: Json) -> Json | None:
        """The manifest with its spec; an abridged one is read again. None: the watch is behind."""
        if not is_abridged(manifest):
            return manifest
        live = await self._api.get(paths.connector(*_key(manifest)), trim=without_texts)
        return live if live and identity(live) == identity(manifest) else None

    async def _tell(
        self, attendance: _Attendance, manifest: Json, found: Inspection, seen: Probe | None
    ) -> None:
        """Write the status, unless the Connector is another by now: then look again."""
        url = index_url(default_port(_key(manifest)))
        told = conditions(Observed(found.problems, found.has_secret, found.has_ca, seen, url))
        current = attendance.manifest
        if identity(current) == identity(manifest):
            written = await self._writer.write(current, Report(told, url, found.versions))
            if attendance.manifest is current:  # else the watch was faster, and may know more
                attendance.manifest = written
        if identity(attendance.manifest) != identity(manifest):
            attendance.changed.set()

    async def _secret(self, namespace: str, name: str) -> SecretManifest | None:
        manifest = await self._api.get(paths.secret(namespace, name), trim=trim.secret)
        return parse_secret(manifest) if manifest else None

    def _log(self, level: int, message: str, attendance: _Attendance, **fields: object) -> None:
        logger.log(level, message, extra={"connector": str(_key(attendance.manifest)), **fields})


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass


def _key(manifest: Mapping[str, Any]) -> ConnectorKey:
    return ConnectorKey(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
