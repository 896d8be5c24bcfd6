"""The gateway as the controller sees it: whether it is installed and ready, and a Service per Connector.

The leading replica alone runs this. The gateway is optional, and its Deployment says whether it is there.
While it is, each look at a Connector keeps its Service, and a watch tells what others do to the Services.
Once the Deployment is gone, the Services go too.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from webhook import names
from webhook.clients.endpoints import index_url
from webhook.clients.ports import default_port
from webhook.cluster import paths
from webhook.cluster.api import Api
from webhook.cluster.cache import PAGE, Cache, Key
from webhook.cluster.trim import Json
from webhook.connector.fields import as_mapping
from webhook.connector.proxy_address import (
    ProxyAddress,
    gateway_host,
    path_url,
    service_name,
    service_url,
)
from webhook.connector.reasons import ConditionReason
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict, NotFound
from webhook.identifiers import ConnectorKey
from webhook.status.proxy_service import is_as_wanted, is_ours, proxy_service, trim_service

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""Between two looks at the Deployment, one small request each; arbitrary"""

State = Literal["absent", "starting", "serving"]


class Gateway:
    """`on_change` gets the key of a Connector whose address may differ now, or None for all of them."""

    def __init__(self, api: Api, *, namespace: str, domain: str, look_seconds: float = LOOK_SECONDS) -> None:
        self._api = api
        self._namespace = namespace
        self._domain = domain
        self._host = gateway_host(namespace, domain)
        self._look_seconds = look_seconds
        self._state: State = "absent"
        self._services: Cache | None = None
        self._watching: asyncio.Task[None] | None = None
        self.on_change: Callable[[ConnectorKey | None], None] = lambda key: None
        self.known = asyncio.Event()
        """Set after the first look at the Deployment: before, no address can be told"""

    async def run(self) -> None:
        """Until cancelled."""
        is_swept = False
        try:
            while True:
                deployment = await self._deployment()
                if deployment is not None:
                    state = _state_of(deployment)
                    if state != "absent":
                        is_swept = False
                        await self._watch_services()
                    self._announce(state)
                    if state == "absent":
                        self._stop_watching()
                        is_swept = is_swept or await self._remove_services()
                await asyncio.sleep(self._look_seconds)
        finally:
            self._stop_watching()

    async def address(self, key: ConnectorKey, uid: str) -> ProxyAddress:
        """The address of a Connector's proxy, whose Service exists then. Raises `ClusterUnavailable`."""
        if self._state == "absent":
            return ProxyAddress(index_url(default_port(key)))
        by_path = path_url(key, f"http://{self._host}")
        name = service_name(key.name)
        if name is None:
            address = ProxyAddress(by_path, message=f"{by_path}: no Service can be called c-{key.name}")
        else:
            address = await self._with_service(key, uid, name)
        if self._state == "starting" and address.is_serving:
            sentence = f"no replica of {names.GATEWAY} is ready in namespace {self._namespace}"
            return ProxyAddress(address.url, False, ConditionReason.GATEWAY_NOT_READY, sentence)
        return address

    async def _with_service(self, key: ConnectorKey, uid: str, name: str) -> ProxyAddress:
        by_path = path_url(key, f"http://{self._host}")
        try:
            is_kept = await self._keep_service(proxy_service(name, key, uid, self._host))
        except ClusterRefused as error:
            return ProxyAddress(by_path, False, ConditionReason.SERVICE_REFUSED, str(error))
        if is_kept:
            return ProxyAddress(service_url(key, self._domain))
        sentence = f"Service {name} belongs to somebody else: use {by_path}, or remove that Service"
        return ProxyAddress(by_path, False, ConditionReason.SERVICE_NAME_TAKEN, sentence)

    async def _keep_service(self, wanted: Json) -> bool:
        """Create or correct the Service. False: one of this name is not ours, and stays as it is."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        known = self._services.get(namespace, name) if self._services else None
        if known is not None and is_as_wanted(known, wanted):
            return True
        try:
            await self._api.create(paths.services(namespace), wanted)
        except Conflict:
            return await self._correct(wanted)
        return True

    async def _correct(self, wanted: Json) -> bool:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        path = paths.service(namespace, name)
        present = await self._api.get(path, trim=trim_service)
        if present is None or present["metadata"].get("deletionTimestamp"):
            raise ClusterUnavailable(f"Service {namespace}/{name} is being deleted")  # soon tried again
        if not is_ours(present):
            return False
        if not is_as_wanted(present, wanted):
            version = present["metadata"].get("resourceVersion")
            metadata = {**wanted["metadata"], "resourceVersion": version}
            with suppress(Conflict):  # the watch announces the other writer's version
                await self._api.replace(path, {**wanted, "metadata": metadata})
        return True

    async def _deployment(self) -> Json | None:
        """The gateway's; empty if there is none. None: it cannot be told now."""
        try:
            return await self._api.get(paths.deployment(self._namespace, names.GATEWAY)) or {}
        except ClusterUnavailable:
            return None
        except ClusterRefused as error:
            logger.warning("gateway not looked at", extra={"cause": str(error)})
            return {}

    def _announce(self, state: State) -> None:
        is_new, self._state = state != self._state, state
        self.known.set()
        if is_new:
            logger.info("gateway", extra={"state": state})
            self.on_change(None)

    async def _watch_services(self) -> None:
        """Return with the Services known, or soon without: then each look at a Connector asks for its own."""
        if self._watching is not None:
            return
        self._services = Cache(self._api, paths.SERVICES, trim_service, label=names.PROXY_SERVICE_LABEL)
        self._services.add_listener(self._on_service)
        self._watching = asyncio.create_task(self._services.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._services.synced.wait(), self._look_seconds)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = self._services = None

    def _on_service(self, key: Key, service: Json | None) -> None:
        """Somebody removed a Service, or led it elsewhere. Our own writes need no second look."""
        if service is None or as_mapping(service.get("spec")).get("externalName") != self._host:
            namespace, name = key
            self.on_change(ConnectorKey(namespace, name.removeprefix("c-")))

    async def _remove_services(self) -> bool:
        """Remove all Services of Connectors. False: not all of them could be seen or removed."""
        query = {"labelSelector": names.PROXY_SERVICE_LABEL, "limit": PAGE}
        try:
            while True:
                page = await self._api.page(paths.SERVICES, trim_service, **query)
                for service in filter(is_ours, page.items):
                    await self._remove(service)
                if not page.more:
                    return True
                query["continue"] = page.more
        except ClusterRefused:
            return True  # the rights came with the gateway, and went with it
        except ClusterUnavailable:
            return False

    async def _remove(self, service: Json) -> None:
        metadata = service["metadata"]
        path = paths.service(metadata["namespace"], metadata["name"])
        with suppress(NotFound, Conflict):
            await self._api.delete(path, version=str(metadata.get("resourceVersion")))


def _state_of(deployment: Mapping[str, Any]) -> State:
    if not deployment or as_mapping(deployment.get("metadata")).get("deletionTimestamp"):
        return "absent"
    ready = as_mapping(deployment.get("status")).get("readyReplicas")
    return "serving" if ready else "starting"
