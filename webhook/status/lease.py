"""Leader election by a Lease: only one replica works; another takes over when it ends or loses the network.

The rules and times are client-go's (`tools/leaderelection`). The times in a Lease come from the clock of its
holder, which may be wrong, so they are never compared with our clock. Instead, our monotonic clock measures
how long the Lease has not changed.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.trim import Json
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """client-go's defaults. A leader stops 5 s before another may begin: time for a slow last request."""

    lease_seconds: int = 15
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0
    release_seconds: float = 2.0
    """Kubernetes waits 30 s for the end of a Pod; a request takes milliseconds"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease, and the time on our clock at which its last change was noticed."""

    lease: Mapping[str, Any]
    since: float

    @property
    def holder(self) -> str:
        return str(self.lease["spec"].get("holderIdentity") or "")


def sighted(previous: Sighting | None, lease: Mapping[str, Any], now: float) -> Sighting:
    """Keeps the time of the previous sighting unless the spec changed; a new label is no change."""
    spec = lease.get("spec") or {}
    is_same = previous is not None and previous.lease["spec"] == spec
    return Sighting({**lease, "spec": spec}, previous.since if previous and is_same else now)


def may_hold(sighting: Sighting, identity: str, now: float) -> bool:
    """Whether the Lease is ours, has no holder, or has expired."""
    life = float(sighting.lease["spec"].get("leaseDurationSeconds") or 0)
    return sighting.holder in ("", identity) or now >= sighting.since + life


def held(spec: Mapping[str, Any], identity: str, seconds: int, wall_time: str) -> Json:
    """The spec that makes us the holder from now on."""
    is_ours = spec.get("holderIdentity") == identity
    transitions = spec.get("leaseTransitions") or 0
    return {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": seconds,
        "acquireTime": spec.get("acquireTime") if is_ours else wall_time,
        "renewTime": wall_time,
        "leaseTransitions": transitions if is_ours or not spec else transitions + 1,
    }


def released(spec: Mapping[str, Any], wall_time: str) -> Json:
    """The spec that lets any replica acquire the Lease at once."""
    return {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": wall_time}


class Lease:
    """Acquires, renews and releases a Lease."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: Times | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._times = times or Times()
        self._clock = clock
        self._sighting: Sighting | None = None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: work while the Lease is held, and release it as soon as the work has ended."""
        while True:
            working: asyncio.Future[None] | None = None
            try:
                renewed = await self._acquire()
                logger.info("leading", extra={"lease": self._name, "identity": self._identity})
                working = asyncio.ensure_future(work())
                await self._hold(working, renewed)
            finally:
                if working is not None:
                    working.cancel()
                    await asyncio.wait([working])
                    logger.info("leading no longer", extra={"lease": self._name, "identity": self._identity})
                await self._release()
            if not working.cancelled():
                working.result()

    async def _acquire(self) -> float:
        """Returns the time on our clock just before the request that acquired the Lease.

        The Lease lives from the write, which is later. So this replica stops too early rather than too late.
        """
        while True:
            now = self._clock()
            try:
                if await self._try():
                    return now
            except (ClusterUnavailable, ClusterRefused) as error:
                logger.warning("lease not acquired", extra={"lease": self._name, "cause": str(error)})
            # client-go's jitter: replicas that started together do not send requests together
            await asyncio.sleep(self._times.retry_seconds * (1 + 1.2 * random.random()))  # noqa: S311

    async def _hold(self, working: "asyncio.Future[None]", renewed: float) -> None:
        """Until the work ends, another replica holds the Lease, or it was not renewed in time.

        `renewed` is our time just before the last successful request. From it, `renew_deadline_seconds` may
        pass until the next success. `left` is the rest of them, and limits the wait and the request alike.
        """
        while True:
            left = renewed + self._times.renew_deadline_seconds - self._clock()
            done, _ = await asyncio.wait([working], timeout=max(0, min(self._times.retry_seconds, left)))
            if done:
                return
            now = self._clock()
            left = renewed + self._times.renew_deadline_seconds - now
            cause = f"not renewed within {self._times.renew_deadline_seconds:g} s"
            try:
                async with asyncio.timeout(left):
                    if await self._try():
                        renewed = now
                        continue
                holder = self._sighting.holder if self._sighting else ""
                if holder != self._identity:
                    logger.warning("lease lost", extra={"lease": self._name, "cause": f"held by {holder}"})
                    return
            except TimeoutError:
                pass
            except (ClusterUnavailable, ClusterRefused) as error:
                cause = str(error)
            if self._clock() >= renewed + self._times.renew_deadline_seconds:
                logger.warning("lease lost", extra={"lease": self._name, "cause": cause})
                return

    async def _try(self) -> bool:
        """Acquire or renew the Lease. False: another replica holds it, or was faster."""
        path = paths.lease(self._namespace, self._name)
        lease = await self._api.get(path)
        try:
            if lease is None:
                spec = held({}, self._identity, self._times.lease_seconds, _wall_time())
                written = await self._api.create(paths.leases(self._namespace), self._manifest(spec))
            else:
                self._sighting = sighted(self._sighting, lease, self._clock())
                if not may_hold(self._sighting, self._identity, self._clock()):
                    return False
                spec = held(lease.get("spec") or {}, self._identity, self._times.lease_seconds, _wall_time())
                written = await self._api.replace(path, {**lease, "spec": spec})
        except Conflict:
            return False
        self._sighting = sighted(self._sighting, written, self._clock())
        return True

    async def _release(self) -> None:
        """Release the Lease if it is ours. If this fails, a successor waits until the Lease expires.

        It is read again: the write that a cancellation interrupted may have arrived, or may still arrive.
        """
        path = paths.lease(self._namespace, self._name)
        with suppress(ClusterUnavailable, ClusterRefused, TimeoutError):
            async with asyncio.timeout(self._times.release_seconds):
                while (lease := await self._api.get(path)) is not None:
                    spec = lease.get("spec") or {}
                    if spec.get("holderIdentity") != self._identity:
                        return
                    with suppress(Conflict):
                        await self._api.replace(path, {**lease, "spec": released(spec, _wall_time())})

    def _manifest(self, spec: Json) -> Json:
        metadata = {"namespace": self._namespace, "name": self._name}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _wall_time() -> str:
    """`metav1.MicroTime`. Only people read it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
