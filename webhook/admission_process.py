"""The process `admission`: reviews Pods. It watches Connectors and Namespaces, and may read no Secret."""

import asyncio
from collections.abc import Mapping

from certs.authority import split_bundle
from certs.store import BUNDLE
from webhook import admission, logs, paths
from webhook.api import in_cluster_or_kubeconfig
from webhook.cache import Cache
from webhook.cluster import AdmissionView
from webhook.serving import serve
from webhook.settings import ProcessSettings, Settings, from_environment
from webhook.tasks import stop_on_signals, together

PORT = 10250
"""Firewalls between managed control planes and their nodes let this one pass: it is the kubelet's."""
TLS_DIRECTORY = "/etc/pypi-connector/tls"
"""Where the Secret `names.ADMISSION_TLS_SECRET` is mounted"""


def run_admission(environment: Mapping[str, str]) -> None:
    """Serve `/mutate` until SIGTERM. `InputError` for settings that cannot be used."""
    chosen = from_environment(environment, port=PORT, tls_directory=TLS_DIRECTORY)
    logs.set_up(chosen.log_level)
    asyncio.run(_admission(chosen, environment))


async def _admission(chosen: ProcessSettings, environment: Mapping[str, str]) -> None:
    def settings() -> Settings:
        # the kubelet replaces the file when an authority joins: read for each Pod, from memory
        bundle = (chosen.tls_directory / BUNDLE).read_text("ascii")
        return chosen.with_authorities(split_bundle(bundle))

    stop = stop_on_signals()
    async with await in_cluster_or_kubeconfig(environment) as api:
        connectors, namespaces = Cache(api, paths.connectors()), Cache(api, paths.NAMESPACES)
        view = AdmissionView(api, connectors, namespaces)
        app = admission.create_app(
            settings, view.connector, namespaces=view.namespace_labels, is_ready=view.is_ready
        )
        serving = serve(app, port=chosen.port, tls_directory=chosen.tls_directory, stop=stop)
        await together(serving, connectors.run(), namespaces.run())
