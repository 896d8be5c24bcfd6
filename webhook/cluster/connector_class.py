"""The ConnectorClass `pypi`, which the broker creates where it does not exist.

It is no manifest: one `kubectl apply` cannot create a kind and an object of that kind. An edit is never
overwritten; a class that somebody deletes comes back.
"""

import asyncio
import logging

from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache
from webhook.cluster.trim import Json
from webhook.connector.connector_class import BUILT_IN_FILES
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Arbitrary: the API server serves a kind about a second after its definition was applied."""

PYPI: Json = {
    "apiVersion": names.API_VERSION,
    "kind": "ConnectorClass",
    "metadata": {"name": names.CONNECTOR_CLASS},
    "spec": {
        "auth": {"types": [{"name": names.AUTH_NAME, "secretType": names.SECRET_TYPE, "optional": True}]},
        "configurations": [{"name": name} for name in BUILT_IN_FILES],
    },
}
"""Without `data`: a configuration without templates has the built-in file of the running version"""


class DefaultClass:
    """Run `run` in a task of its own, beside the cache of classes."""

    def __init__(self, api: Api, classes: Cache) -> None:
        self._api = api
        self._classes = classes
        self._missing = asyncio.Event()
        self._missing.set()
        classes.add_listener(self._on_change)

    async def run(self) -> None:
        """Until cancelled. The first try does not wait for the cache."""
        while True:
            await self._missing.wait()
            self._missing.clear()
            await self._ensure()

    def _on_change(self, key: tuple[str, str], manifest: Json | None) -> None:
        if key[1] == names.CONNECTOR_CLASS and manifest is None:
            self._missing.set()

    async def _ensure(self) -> None:
        """Returns once the class exists."""
        while True:
            try:
                await self._api.create(paths.CONNECTOR_CLASSES, PYPI)
                logger.info("connector class created", extra={"class": names.CONNECTOR_CLASS})
            except Conflict:
                pass
            except (ClusterUnavailable, ClusterRefused) as error:
                logger.warning("connector class not created", extra={"cause": str(error)})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            return
