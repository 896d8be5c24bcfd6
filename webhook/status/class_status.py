"""The status of ConnectorClasses: whether Connectors can use them, and what is wrong with their templates."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.cache import Cache, Key
from webhook.cluster.trim import Json
from webhook.connector.conditions import READY, Condition
from webhook.connector.connector_class import BUILT_IN_FILES, parse_class
from webhook.connector.reasons import ConditionReason, ConnectorReason
from webhook.errors import ClusterRefused, ClusterUnavailable, InvalidClass
from webhook.pod.class_files import class_faults
from webhook.status.report import MESSAGE_LIMIT
from webhook.status.reported import condition, generation_of, is_stored

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Arbitrary, after a failure of the cluster"""


class ClassStatuses:
    """Run `run` in a task of its own, on the replica that leads."""

    def __init__(self, api: Api, classes: Cache) -> None:
        self._api = api
        self._classes = classes
        self._due: dict[str, None] = {}
        self._changed = asyncio.Event()
        classes.add_listener(self._on_change)

    async def run(self) -> None:
        """Until cancelled. First all classes, then each that changes."""
        self._due |= dict.fromkeys(manifest["metadata"]["name"] for manifest in self._classes)
        while True:
            while self._due:
                name = next(iter(self._due))
                del self._due[name]
                await self._write(name)
            self._changed.clear()
            await self._changed.wait()

    def _on_change(self, key: Key, manifest: Json | None) -> None:
        if manifest is not None:
            self._due[key[1]] = None
            self._changed.set()

    async def _write(self, name: str) -> None:
        manifest = self._classes.get("", name)
        patch = class_patch(manifest, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")) if manifest else None
        if patch is None:
            return
        try:
            await self._api.patch(paths.connector_class_status(name), patch, trim=trim.connector_class)
        except (ClusterUnavailable, ClusterRefused) as error:
            logger.warning("status of a class not written", extra={"class": name, "cause": str(error)})
            self._due[name] = None
            await asyncio.sleep(RETRY_SECONDS)


def class_condition(manifest: Mapping[str, Any]) -> Condition:
    """`Ready` of a class. A wrong template does not keep Connectors from being used."""
    try:
        connector_class = parse_class(manifest)
    except InvalidClass as error:
        return Condition(READY, "False", ConnectorReason.CONNECTOR_CLASS_INVALID, str(error))
    faults = class_faults(connector_class)
    if faults:
        message = "; ".join(faults) + ": Pods do not get these files, but built-in ones of their names"
        return Condition(READY, "False", ConditionReason.TEMPLATE_INVALID, message)
    return Condition(READY, "True", ConditionReason.VALID, "Connectors can use it")


def class_patch(manifest: Mapping[str, Any], now: str) -> Json | None:
    """A merge patch for the status, or None if it would change nothing. `now` is RFC 3339."""
    ready, generation = class_condition(manifest), generation_of(manifest)
    old = condition(manifest, READY)
    is_same = old.get("status") == ready.status and old.get("lastTransitionTime")
    status: Json = {
        "observedGeneration": generation,
        "configurations": _configurations(manifest),
        "conditions": [
            {
                "type": READY,
                "status": ready.status,
                "reason": str(ready.reason),
                "message": ready.message[:MESSAGE_LIMIT],
                "lastTransitionTime": old["lastTransitionTime"] if is_same else now,
                "observedGeneration": generation,
            }
        ],
    }
    return None if is_stored(manifest.get("status"), status) else {"status": status}


def _configurations(manifest: Mapping[str, Any]) -> str:
    """What Pods may choose, in one text: a printer column shows only the first item of a list."""
    try:
        return ", ".join(parse_class(manifest).configuration_names)
    except InvalidClass:
        return ", ".join(BUILT_IN_FILES)
