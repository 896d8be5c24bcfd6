"""Keeps the record of the sidecar images that get grants. Every replica of the broker does this.

Admission and broker are rolled out separately and in any order. So a Pod may run an image that this replica's
settings do not name yet, or no longer:

| the image is named by                       | because                                                |
|---------------------------------------------|--------------------------------------------------------|
| the settings of this replica                | it is the present image                                |
| a ReplicaSet of admission or broker         | another replica runs with newer or older settings      |
| the record (`sidecar_images`)               | settings or a ReplicaSet named it before               |
| a past ReplicaSet, if there is no record    | earlier releases had no record                         |

Only users who may change the Deployments' settings, or run a Pod as the broker, may change these objects and
add an image. No leader is needed: a write names the version that it was made from; after a conflict the
replica reads again.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.trim import Json
from webhook.errors import (
    ClusterRefused,
    ClusterUnavailable,
    Conflict,
    ConnectorsError,
    NotFound,
    failure_sentence,
)
from webhook.grant.sidecar_images import (
    KEY,
    Record,
    images_of,
    parse_record,
    render_record,
    updated,
)

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""An image whose line was removed gets grants for this time at most. An image of a rollout that is undone is
recorded if the rollout lasted this long. A look costs two small reads."""

_ATTEMPTS = 10
"""A conflict means that another replica was faster; there are fewer replicas than attempts."""


class ImageKeeper:
    """Grants use `known`, the images as last read. For an unknown image, `look` reads the cluster again."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        own: Sequence[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`own`: the images of this replica's settings."""
        self._api = api
        self._namespace = namespace
        self._own = tuple(own)
        self._now = now
        self._sleep = pause
        self._looking = asyncio.Lock()
        self._begun = 0
        """Number of looks"""
        self._ended = 0
        """The number of the last look that succeeded"""
        self._cause = ""
        self.known: tuple[str, ...] = self._own

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except ConnectorsError as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001 (an edge: a fault of ours must not end the broker)
                self._note(failure_sentence(error))
            await self._sleep(LOOK_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 (replicas drift apart)

    async def look(self) -> Sequence[str]:
        """Read the cluster and return `known`. Raises a `ConnectorsError` of the cluster.

        Callers that wait share a look: it is new enough for each caller that came before it began. So forged
        Pods cost at most a look at a time. Example: caller A begins look 1. B and C come during look 1, which
        may have read the cluster before their image was there. They wait, B begins look 2, and C shares it.
        """
        begun = self._begun
        async with self._looking:
            if self._ended <= begun:
                self._begun += 1
                await self._look()
                self._ended = self._begun
        return self.known

    async def _look(self) -> None:
        cause = "other replicas write it again and again"
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(Conflict, NotFound):  # changed or deleted since it was read
                cause = await self._update()
                break
        self._note(cause)

    async def _update(self) -> str:
        """Returns what is wrong with the record, or an empty text. `known` is usable in both cases."""
        config_map = await self._read()
        record, complaint = parse_record(_text(config_map))
        self._take(record)
        sets = (await self._api.list(paths.replica_sets(self._namespace))).get("items") or []
        in_use = images_of(sets, is_history_wanted=config_map is None)
        record = updated(record, [*self._own, *in_use], self._now())
        self._take(record)
        try:
            await self._write(config_map, render_record(record))
        except (Conflict, NotFound):
            raise
        except (ClusterRefused, ClusterUnavailable) as error:
            return str(error)
        return complaint

    def _take(self, record: Record) -> None:
        self.known = tuple(dict.fromkeys([*self._own, *record]))

    async def _read(self) -> Json | None:
        return await self._api.get(paths.config_map(self._namespace, names.SIDECAR_IMAGES))

    async def _write(self, config_map: Json | None, text: str) -> None:
        if config_map is None:
            metadata = {"name": names.SIDECAR_IMAGES, "namespace": self._namespace}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
            await self._api.create(paths.config_maps(self._namespace), body)
        elif _text(config_map) != text:
            body = {**config_map, "data": {**(config_map.get("data") or {}), KEY: text}}
            await self._api.replace(paths.config_map(self._namespace, names.SIDECAR_IMAGES), body)
        else:
            return
        logger.info("sidecar images recorded", extra={"images": text.splitlines()})

    def _note(self, cause: str) -> None:
        """Log each new cause, and its end."""
        if cause and cause != self._cause:
            logger.warning("sidecar images not recorded", extra={"cause": cause})
        if self._cause and not cause:
            logger.info("sidecar images recorded again")
        self._cause = cause


def _text(config_map: Json | None) -> str:
    return str(((config_map or {}).get("data") or {}).get(KEY) or "")
