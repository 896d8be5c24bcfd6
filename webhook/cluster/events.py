"""Events on the objects of others, written beside the work: queued, counted, and never waited for.

Core `v1` and not `events.k8s.io/v1`, though one store holds both: `kubectl describe` looks for
`involvedObject`, and there repeats are one patch of `count`, which all of `describe`, `get events` and
`kubectl events` show. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

An Event's name is derived from what it says, so replicas, and a replica before and after its restart, write
to one and the same.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from webhook.cluster import paths
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict, NotFound
from webhook.limits.fairness import may_take

if TYPE_CHECKING:  # the demo's broker has a cluster in memory, and need not wait for that library's import
    from webhook.cluster.api import Api

logger = logging.getLogger(__name__)

EventKind = Literal["Normal", "Warning"]

PERIOD_SECONDS = 60.0
"""Between two writes of the same Event: a sidecar may ask every 5 s, and each write is one in etcd."""

PAUSE_SECONDS = 5.0
"""After the API server did not answer: it has more important questions to answer then. Arbitrary."""

MOST = 2000
"""Events remembered, at about 1 KiB each. A new Event evicts the longest unused written one. Events that wait
to be written share these places by namespace (`webhook.limits.fairness`)."""

MOST_PER_OBJECT = 16
SPAN_SECONDS = 300.0
"""So many different ones of one object in that time: a Pod's author chooses some words of a refusal, and
could fill etcd with Events. The order of client-go's, which allows 25 and then one in this time."""

_MESSAGE_LENGTH = 1024
"""The limit of `events.k8s.io/v1`, for readers that copy them there"""
_NAME_LENGTH = 253  # of a DNS subdomain
_DIGEST_LENGTH = 16


class Recorder(Protocol):
    """Who can be told what happened to an object."""

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

        `regarding` and `related` are ObjectReferences: apiVersion, kind, name and, where they have them,
        namespace and uid. `once`: that it was said before, by whomever, is as good.
        """


@dataclass(slots=True)
class _Series:
    """One Event and its repeats."""

    body: dict[str, Any]
    once: bool
    first: str
    last: str
    unwritten: int = 0
    count: int = 0
    """As the API server has it; 0: it was not told yet"""
    written_at: float | None = None
    """On the loop's clock"""

    def due(self, period_seconds: float) -> float:
        """Counts while something is unwritten."""
        return 0.0 if self.written_at is None else self.written_at + period_seconds

    @property
    def regarding(self) -> dict[str, str]:
        found: dict[str, str] = self.body["involvedObject"]
        return found

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"]["namespace"])


class EventRecorder:
    """Implements `Recorder`. Run `run` in a task of its own: nothing is written without it."""

    def __init__(
        self,
        api: "Api",
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
        self._period_seconds = period_seconds
        self._pause_seconds = pause_seconds
        self._now = now
        self._series: OrderedDict[str, _Series] = OrderedDict()
        """By name; the longest unused first"""
        self._turns: dict[str, int] = {}
        """Namespace → number of its last write"""
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
        body = self._body(regarding, reason, message, kind, related)
        key = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        series = self._series.get(key)
        time = _timestamp(self._now())
        if series is None:
            series = _Series(body, once, first=time, last=time)
            if not self._make_room(series):
                self._drop(series)
                return
            self._series[key] = series
        elif once:
            return
        series.once = once
        series.unwritten += 1
        series.last = time
        self._series.move_to_end(key)
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            key, series = await self._next_due()
            told = series.unwritten
            try:
                await self._write(series, told)
            except ClusterUnavailable as error:
                logger.warning("event not written yet", extra={"event": key, "cause": str(error)})
                await asyncio.sleep(self._pause_seconds)
            except ClusterRefused as error:  # a right of ours is missing, or the namespace is ending
                logger.warning("event not written", extra={"event": key, "cause": str(error)})
                self._series.pop(key, None)
            else:
                series.unwritten -= told
                series.written_at = asyncio.get_running_loop().time()

    async def _next_due(self) -> tuple[str, _Series]:
        loop = asyncio.get_running_loop()
        while True:
            self._arrived.clear()
            waiting = [(series.due(self._period_seconds), key) for key, series in self._waiting()]
            due = [key for time, key in waiting if time <= loop.time()]
            if due:
                key = self._first_turn(due)
                return key, self._series[key]
            try:
                async with asyncio.timeout_at(min((time for time, _ in waiting), default=None)):
                    await self._arrived.wait()
            except TimeoutError:
                pass

    def _waiting(self) -> list[tuple[str, _Series]]:
        return [(key, series) for key, series in self._series.items() if series.unwritten]

    def _first_turn(self, keys: list[str]) -> str:
        """Namespaces take turns: beside a thousand Events of one, another waits for a single write."""
        key = min(keys, key=lambda key: self._turns.get(self._series[key].namespace, 0))
        number = 1 + max(self._turns.values(), default=0)
        remembered = {series.namespace for series in self._series.values()}
        self._turns = {name: turn for name, turn in self._turns.items() if name in remembered}
        self._turns[self._series[key].namespace] = number
        return key

    async def _write(self, series: _Series, told: int) -> None:
        if not series.count:
            try:
                await self._create(series, told)
            except Conflict:  # another replica's, or ours of before a restart
                if series.once:
                    return
                # the patch is answered with the count so far: no right to read Events is needed
                found = await self._patch(series, {"lastTimestamp": series.last})
                series.count = int(found.get("count") or 1)
            else:
                return
        try:
            await self._patch(series, {"lastTimestamp": series.last, "count": series.count + told})
            series.count += told
        except NotFound:  # Events are kept for an hour
            series.first = series.last
            await self._create(series, told)

    async def _create(self, series: _Series, told: int) -> None:
        times = {"firstTimestamp": series.first, "lastTimestamp": series.last, "count": told}
        await self._api.create(paths.events(series.namespace), {**series.body, **times})
        series.count = told

    async def _patch(self, series: _Series, fields: Mapping[str, Any]) -> dict[str, Any]:
        return await self._api.patch(paths.event(series.namespace, series.name), fields)

    def _body(
        self,
        regarding: Mapping[str, str],
        reason: str,
        message: str,
        kind: EventKind,
        related: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        text = message if len(message) <= _MESSAGE_LENGTH else message[: _MESSAGE_LENGTH - 1] + "…"
        parts = [str(dict(regarding)), str(dict(related or {})), kind, reason, text, self._component]
        said = "\n".join(parts)
        digest = hashlib.sha256(said.encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]
        stem = regarding["name"][: _NAME_LENGTH - _DIGEST_LENGTH - 1].rstrip(".-")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # Events of what has no namespace lie in `default`, as all other components put them
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

    def _make_room(self, series: _Series) -> bool:
        """Whether one more may be remembered; what was written long ago is forgotten for it."""
        of_object = [key for key, other in self._series.items() if other.regarding == series.regarding]
        if len(of_object) >= MOST_PER_OBJECT and not self._forget(of_object, SPAN_SECONDS):
            return False
        waiting = [other.namespace for _, other in self._waiting()]
        if not may_take(waiting.count(series.namespace), MOST - len(waiting)):
            return False
        return len(self._series) < MOST or self._forget(list(self._series), 0.0)

    def _forget(self, keys: list[str], age_seconds: float) -> bool:
        """The longest unused of them that was written, so long ago at least."""
        latest = asyncio.get_running_loop().time() - age_seconds
        for key in keys:
            one = self._series[key]
            if not one.unwritten and one.written_at is not None and one.written_at <= latest:
                del self._series[key]
                return True
        return False

    def _drop(self, series: _Series) -> None:
        self._dropped += 1
        # at 1, 2, 4, 8, …: a flood of Events is not to become one of lines
        if self._dropped & (self._dropped - 1) == 0:
            fields = {"event": f"{series.namespace}/{series.name}", "dropped": self._dropped}
            logger.warning("too many events, one dropped", extra=fields)


def _timestamp(time: datetime) -> str:
    """`metav1.Time`: RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
