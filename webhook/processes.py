"""The processes of the installed product: `admission`, and `broker` with the controller and the certificates.

Each is a handful of tasks that end together: on SIGTERM in good order, and with the process if one of them
fails for a reason that nobody foresaw. Kubernetes starts it anew.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Mapping
from typing import Any

from certs.authority import split_bundle
from certs.store import BUNDLE
from webhook import admission, broker, logs, paths
from webhook.api import in_cluster_or_kubeconfig
from webhook.cache import Cache
from webhook.certificates import CertificateKeeper
from webhook.cluster import AdmissionView, KubernetesCluster
from webhook.connector_class import ensure_class
from webhook.controller import Controller
from webhook.events import EventRecorder
from webhook.serving import serve
from webhook.settings import Settings, from_environment

ADMISSION_PORT = 10250
"""Firewalls between managed control planes and their nodes let this one pass: it is the kubelet's."""
ADMISSION_TLS = "/etc/pypi-connector/tls"
BROKER_PORT = 8443
BROKER_TLS = "/run/pypi-connector/tls"

logger = logging.getLogger(__name__)


def run_admission(environment: Mapping[str, str]) -> None:
    """Serve `/mutate` until SIGTERM. `InputError` for settings that cannot be used."""
    asyncio.run(_admission(environment))


def run_broker(environment: Mapping[str, str]) -> None:
    """Serve grants, keep certificates and, on one replica, Connectors' status, until SIGTERM."""
    asyncio.run(_broker(environment))


async def _admission(environment: Mapping[str, str]) -> None:
    chosen = from_environment(environment, port=ADMISSION_PORT, tls_directory=ADMISSION_TLS)
    logs.set_up(chosen.log_level)

    def settings() -> Settings:
        # the kubelet replaces it under our feet when an authority joins: read for each Pod, a file in memory
        bundle = (chosen.tls_directory / BUNDLE).read_text("ascii")
        return chosen.with_authorities(split_bundle(bundle))

    async with await in_cluster_or_kubeconfig(environment) as api:
        connectors, namespaces = Cache(api, paths.connectors()), Cache(api, paths.NAMESPACES)
        view = AdmissionView(api, connectors, namespaces)
        app = admission.create_app(
            settings, view.connector, namespaces=view.namespace_labels, is_ready=view.is_ready
        )
        stop = _stop_on_signals()
        serving = serve(app, port=chosen.port, tls_directory=chosen.tls_directory, stop=stop)
        await _together(serving, connectors.run(), namespaces.run())


async def _broker(environment: Mapping[str, str]) -> None:
    chosen = from_environment(environment, port=BROKER_PORT, tls_directory=BROKER_TLS)
    logs.set_up(chosen.log_level)
    stop = _stop_on_signals()
    async with await in_cluster_or_kubeconfig(environment) as api:
        recorder = EventRecorder(api, component="pypi-connector", instance=chosen.pod_name)
        connectors = Cache(api, paths.connectors())
        controller = Controller(
            api,
            connectors=connectors,
            identity=chosen.pod_name,
            namespace=chosen.namespace,
            recorder=recorder,
        )
        connectors.on_change = controller.on_change
        keeper = CertificateKeeper(api, namespace=chosen.namespace, directory=chosen.tls_directory)
        app = broker.create_app(
            lambda: chosen.with_authorities(keeper.bundle), KubernetesCluster(api, connectors), recorder
        )
        if not await _first_of(keeper.start(), stop):
            return
        serving = serve(app, port=chosen.port, tls_directory=chosen.tls_directory, stop=stop)
        await _together(
            serving, connectors.run(), keeper.run(), recorder.run(), controller.run(), ensure_class(api)
        )


async def _first_of(start: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether `start` is done before the process is told to stop."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    is_started = starting.done()
    for task in (starting, stopping):
        task.cancel()
    if is_started:
        starting.result()
    return is_started


async def _together(serving: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Until `serving` ends, or any of them fails."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in others]
        await group.create_task(serving)
        for task in tasks:
            task.cancel()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
