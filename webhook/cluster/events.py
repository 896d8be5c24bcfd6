"""Events on the objects of others. They are queued, counted, and written in the background.

Core `v1` and not `events.k8s.io/v1`, though the API server stores both alike: `kubectl describe` looks for
`involvedObject`. A repeat is a patch of `count`, which `describe`, `get events` and `kubectl events` show.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

An Event's name is derived from its content. So all replicas, before and after a restart, write to the same
Event.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.event_series import Series, SeriesMemory
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict, NotFound

logger = logging.getLogger(__name__)

EventKind = Literal["Normal", "Warning"]

PERIOD_SECONDS = 60.0
"""Between two writes of the same Event: a sidecar may ask every 5 s, and each write is a write to etcd."""

PAUSE_SECONDS = 5.0
"""After the API server did not answer: other requests are more important then. Arbitrary."""

_MESSAGE_LIMIT = 1024
"""The limit of `events.k8s.io/v1`, for readers that copy Events there"""
_NAME_LIMIT = 253  # of a DNS subdomain
_DIGEST_LENGTH = 16


class Recorder(Protocol):
    """Accepts Events."""

    async def record(
        self,
        regarding: Mapping[str, str],
        *,
        reason: str,
        message: str,
        kind: EventKind,
        related: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> None:
        """Never raises and never waits.

        `regarding` and `related` are ObjectReferences: apiVersion, kind, name and, if the object has them,
        namespace and uid. `once`: the Event is not repeated, not even if another process wrote it.
        """


class EventRecorder:
    """Implements `Recorder`. Run `run` in a task of its own: nothing is written without it."""

    def __init__(
        self,
        api: Api,
        component: str,
        instance: str,
        *,
        period_seconds: float = PERIOD_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._component = component
        self._instance = instance
        self._pause_seconds = pause_seconds
        self._now = now
        self._memory = SeriesMemory(period_seconds)
        self._arrived = asyncio.Event()
        self._dropped = 0

    async def record(
        self,
        regarding: Mapping[str, str],
        *,
        reason: str,
        message: str,
        kind: EventKind,
        related: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> None:
        time = _timestamp(self._now())
        event = Series(self._body(regarding, reason, message, kind, related), once, time, time)
        series = self._memory.get(event.key)
        if series is None:
            if not self._memory.add(event, asyncio.get_running_loop().time()):
                self._drop(event)
                return
            series = event
        elif once:
            return
        series.once = once
        series.unwritten += 1
        series.last_timestamp = time
        self._memory.mark_as_used(series)
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            series = await self._next_due()
            repeats = series.unwritten
            try:
                await self._write(series, repeats)
            except ClusterUnavailable as error:
                logger.warning("event not written yet", extra={"event": series.key, "cause": str(error)})
                await asyncio.sleep(self._pause_seconds)
            except ClusterRefused as error:  # a right of ours is missing, or the namespace is being deleted
                logger.warning("event not written", extra={"event": series.key, "cause": str(error)})
                self._memory.remove(series)
            else:
                series.unwritten -= repeats
                series.written_at = asyncio.get_running_loop().time()

    async def _next_due(self) -> Series:
        while True:
            self._arrived.clear()
            series = self._memory.take_due(asyncio.get_running_loop().time())
            if series is not None:
                return series
            try:
                async with asyncio.timeout_at(self._memory.next_due()):
                    await self._arrived.wait()
            except TimeoutError:
                pass

    async def _write(self, series: Series, repeats: int) -> None:
        if not series.count:
            try:
                await self._create(series, repeats)
            except Conflict:  # written by another replica, or by this one before its restart
                if series.once:
                    return
                # the answer to the patch holds the count so far: no right to read Events is needed
                event = await self._patch(series, {"lastTimestamp": series.last_timestamp})
                series.count = int(event.get("count") or 1)
            else:
                return
        count = series.count + repeats
        try:
            await self._patch(series, {"lastTimestamp": series.last_timestamp, "count": count})
            series.count = count
        except NotFound:  # the API server deletes Events after an hour
            series.first_timestamp = series.last_timestamp
            await self._create(series, repeats)

    async def _create(self, series: Series, count: int) -> None:
        times = {"firstTimestamp": series.first_timestamp, "lastTimestamp": series.last_timestamp}
        await self._api.create(paths.events(series.namespace), {**series.body, **times, "count": count})
        series.count = count

    async def _patch(self, series: Series, fields: Mapping[str, Any]) -> dict[str, Any]:
        return await self._api.patch(paths.event(series.namespace, series.name), fields)

    def _body(
        self,
        regarding: Mapping[str, str],
        reason: str,
        message: str,
        kind: EventKind,
        related: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        text = message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
        parts = [str(dict(regarding)), str(dict(related or {})), kind, reason, text, self._component]
        digest = hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]
        stem = regarding["name"][: _NAME_LIMIT - _DIGEST_LENGTH - 1].rstrip(".-")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # Events of objects without a namespace go to `default`, as in all other components
            "metadata": {"name": f"{stem}.{digest}", "namespace": regarding.get("namespace") or "default"},
            "involvedObject": dict(regarding),
            **({"related": dict(related)} if related else {}),
            "reason": reason,
            "message": text,
            "type": kind,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }

    def _drop(self, series: Series) -> None:
        self._dropped += 1
        # at 1, 2, 4, 8, …: many dropped Events must not fill the log
        if self._dropped & (self._dropped - 1) == 0:
            fields = {"event": series.key, "dropped": self._dropped}
            logger.warning("too many events, one dropped", extra=fields)


def _timestamp(time: datetime) -> str:
    """`metav1.Time`: RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
