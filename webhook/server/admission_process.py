"""The process `admission`: reviews Pods, watches Connectors, classes and what namespaces demand."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from certs.bundle import split_bundle
from certs.errors import UnusablePair
from certs.store import BUNDLE
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig
from webhook.cluster.lookups import AdmissionView
from webhook.server import admission, logs
from webhook.server.serving import serve
from webhook.server.settings import ProcessSettings, from_environment
from webhook.server.tasks import stop_on_signals, together

PORT = 10250
"""Firewalls between managed control planes and their nodes let this port pass: it is the kubelet's."""
TLS_DIRECTORY = "/etc/pypi-connector/tls"
"""Where the Secret `names.ADMISSION_TLS_SECRET` is mounted"""


def run_admission(environment: Mapping[str, str]) -> None:
    """Serve `/mutate` until SIGTERM. `InputError` for settings that cannot be used."""
    chosen = from_environment(environment, port=PORT, tls_directory=TLS_DIRECTORY)
    logs.set_up(chosen.log_level)
    asyncio.run(_admission(chosen, environment))


async def _admission(chosen: ProcessSettings, environment: Mapping[str, str]) -> None:
    stop = stop_on_signals()
    async with await in_cluster_or_kubeconfig(environment) as api:
        caches = [
            Cache(api, paths.connectors(), trim.connector),
            Cache(api, paths.NAMESPACES, trim.namespace),
            Cache(api, paths.QUOTAS, trim.quota),
            Cache(api, paths.LIMIT_RANGES, trim.limit_range),
            Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class),
            Cache(api, paths.CSI_DRIVERS, trim.presence),
        ]
        view = AdmissionView(api, *caches)
        app = admission.create_app(
            lambda: chosen.with_authorities(read_authorities(chosen.tls_directory)),
            view.connectors,
            namespaces=view.namespace_facts,
            has_csi_driver=view.has_csi_driver,
            is_ready=view.is_ready,
        )
        serving = serve(app, port=chosen.port, tls_directory=chosen.tls_directory, stop=stop)
        await together(serving, *(cache.run() for cache in caches))


def read_authorities(directory: Path) -> tuple[str, ...]:
    """The bundle of this moment. It is read for each Pod, from memory, because the kubelet replaces the file
    when an authority joins. `UnusablePair` if it is empty: a Pod without authorities would never recover."""
    authorities = split_bundle((directory / BUNDLE).read_text("ascii"))
    if not authorities:
        raise UnusablePair(f"{directory / BUNDLE} holds no certificate")
    return authorities
