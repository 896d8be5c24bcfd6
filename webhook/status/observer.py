"""A look at a Connector: its class, its Secrets and its registry. It writes nothing (see `writer`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.cluster import paths, trim
from webhook.cluster.api import Api
from webhook.cluster.class_lookup import ClassLookup
from webhook.cluster.trim import Json, is_abridged, without_texts
from webhook.connector.conditions import TYPES, Observed, Probe, conditions
from webhook.connector.manifest import class_name
from webhook.connector.proxy_address import ProxyAddress
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.identifiers import ConnectorKey
from webhook.limits.fair_slots import FairSlots
from webhook.status.gateway import Gateway
from webhook.status.inspection import Inspection, inspect
from webhook.status.prober import Prober, Turn
from webhook.status.report import Report
from webhook.status.reported import condition, identity
from webhook.status.schedule import LastProbe


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one look. It holds no Secret: thousands of results may wait to be written."""

    manifest: Json
    """The Connector that the look began with"""
    report: Report | None = None
    """None: the status stays as it is"""
    last_probe: LastProbe | None = None
    """None: the registry was not probed, and no earlier probe is valid"""
    due: Turn | None = None
    """The registry is to be probed, and the probe needs this turn"""


class Observer:
    """`calls` bounds the requests to the API server at once."""

    def __init__(
        self, api: Api, calls: FairSlots, prober: Prober, gateway: Gateway, classes: ClassLookup
    ) -> None:
        self._api = api
        self._gateway = gateway
        self._calls = calls
        self._prober = prober
        self._classes = classes

    async def look(self, manifest: Json, last_probe: LastProbe | None, turn: Turn | None) -> Look | None:
        """Read the Connector's Secrets, and probe its registry if it is due and `turn` is enough.

        None: the Connector is being deleted, or the watch is behind and will bring its newer state.
        """
        if manifest["metadata"].get("deletionTimestamp"):
            return None
        # reading takes time of this loop: even a thousand new Connectors are read in turn
        async with self._calls.hold(key_of(manifest).namespace):
            whole = await self._whole(manifest)
            if whole is None:
                return None
            classes = await self._classes.find([class_name(whole)])
            inspection = await inspect(whole, self._secret, classes=classes)
            proxy = await self._gateway.address(key_of(manifest), str(manifest["metadata"].get("uid")))
        if inspection.registry is None:
            return Look(manifest, _report(inspection, proxy, None))
        outcome = await self._prober.probe(manifest, inspection, last_probe, turn)
        if isinstance(outcome, LastProbe):
            return Look(manifest, _report(inspection, proxy, outcome.probe), last_probe=outcome)
        # a complete status stays until the probe; a new Connector gets its first conditions before
        if all(condition(manifest, kind) for kind in TYPES):
            return Look(manifest, due=outcome)
        return Look(manifest, _report(inspection, proxy, None), due=outcome)

    async def _whole(self, manifest: Json) -> Json | None:
        """The manifest with its spec; an abridged one is read again. None: the watch is behind."""
        if not is_abridged(manifest):
            return manifest
        live = await self._api.get(paths.connector(*key_of(manifest)), trim=without_texts)
        return live if live and identity(live) == identity(manifest) else None

    async def _secret(self, namespace: str, name: str) -> SecretManifest | None:
        manifest = await self._api.get(paths.secret(namespace, name), trim=trim.secret)
        return parse_secret(manifest) if manifest else None


def key_of(manifest: Mapping[str, Any]) -> ConnectorKey:
    return ConnectorKey(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def _report(inspection: Inspection, proxy: ProxyAddress, probe: Probe | None) -> Report:
    observed = Observed(
        inspection.problems,
        inspection.has_secret,
        inspection.has_ca,
        probe,
        proxy,
        secret_warning=inspection.secret_warning,
        class_name=inspection.class_name,
    )
    return Report(conditions(observed), proxy.url, inspection.versions)
