"""Writes a Connector's status if it differs from the stored status, and an Event if `Ready` changed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.events import Recorder
from webhook.cluster.trim import Json, is_abridged, without_texts
from webhook.connector.conditions import READY, Condition
from webhook.errors import Conflict, NotFound
from webhook.limits.fair_slots import FairSlots
from webhook.status.connector_trim import spec_and_status
from webhook.status.report import Report, status_patch
from webhook.status.reported import condition, identity


class StatusWriter:
    """`calls` bounds the requests to the API server at once."""

    def __init__(self, api: Api, calls: FairSlots, recorder: Recorder | None) -> None:
        self._api = api
        self._calls = calls
        self._recorder = recorder

    async def write(self, manifest: Json, report: Report) -> Json:
        """The Connector as it is now. Nothing is written if it is deleted, or if its spec has changed."""
        if status_patch(manifest, report, _wall_time()) is None:
            return manifest
        if not is_abridged(manifest):
            try:
                return await self._patch(manifest, report) or manifest
            except Conflict:
                pass  # another writer changed it, and the watch is behind
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        async with self._calls.hold(namespace):
            live = await self._api.get(paths.connector(namespace, name), trim=without_texts)
        if live is None:
            return manifest
        if identity(live) != identity(manifest):
            return spec_and_status(live)
        return await self._patch(live, report) or spec_and_status(live)

    async def _patch(self, manifest: Json, report: Report) -> Json | None:
        """The written Connector. None: nothing to write, or it is deleted, which the watch will announce."""
        patch = status_patch(manifest, report, _wall_time())
        if patch is None:
            return None
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            async with self._calls.hold(namespace):
                path = paths.connector_status(namespace, name)
                written = await self._api.patch(path, patch, trim=spec_and_status)
        except NotFound:
            return None
        await self._record(manifest, report.conditions[-1])
        return written

    async def _record(self, before: Mapping[str, Any], ready: Condition) -> None:
        """Write an Event if the Connector became ready, or has a new cause for not being ready."""
        old = condition(before, READY)
        if self._recorder is None or ready.status == "Unknown":
            return
        previous = (old.get("status"), old.get("reason"), old.get("message"))
        if previous == (ready.status, ready.reason, ready.message):
            return
        is_ready = ready.status == "True"
        await self._recorder.record(
            _reference(before),
            reason=READY if is_ready else ready.reason,
            message=ready.message,
            kind="Normal" if is_ready else "Warning",
        )


def _reference(manifest: Mapping[str, Any]) -> dict[str, str]:
    """`ObjectReference`."""
    metadata = manifest["metadata"]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": str(metadata.get("uid")),
    }


def _wall_time() -> str:
    """`metav1.Time`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
