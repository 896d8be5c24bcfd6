"""The process `broker`: grants, and beside them the certificates and the Connectors' status."""

from collections.abc import Mapping
from pathlib import Path

from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.certificate_keeper import CertificateKeeper
from webhook.cluster.connector_class import DefaultClass
from webhook.cluster.events import EventRecorder
from webhook.cluster.image_keeper import ImageKeeper
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig
from webhook.cluster.lookups import KubernetesCluster
from webhook.connector.proxy_address import cluster_domain
from webhook.server import broker, logs
from webhook.server.serving import serve
from webhook.server.settings import ProcessSettings, from_environment
from webhook.server.tasks import done_before, run, stop_on_signals, together
from webhook.status.connector_trim import spec_and_status
from webhook.status.controller import Controller
from webhook.status.gateway import Gateway
from webhook.status.lease import Lease

PORT = 8443
TLS_DIRECTORY = "/run/pypi-connector/tls"
"""In memory: the key that it serves with lies in a Secret, and nowhere else"""

RESOLV_CONF = Path("/etc/resolv.conf")


def run_broker(environment: Mapping[str, str]) -> None:
    """Serve grants, keep certificates and, on one replica, Connectors' status, until SIGTERM."""
    chosen = from_environment(environment, port=PORT, tls_directory=TLS_DIRECTORY)
    logs.set_up(chosen.log_level)
    run(_broker(chosen, environment))


async def _broker(chosen: ProcessSettings, environment: Mapping[str, str]) -> None:
    stop = stop_on_signals()
    async with await in_cluster_or_kubeconfig(environment) as api:
        recorder = EventRecorder(api, component="pypi-connector", instance=chosen.pod_name)
        connectors = Cache(api, paths.connectors(), spec_and_status)
        classes = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
        default_class = DefaultClass(api, classes)
        lease = Lease(api, namespace=chosen.namespace, name=names.CONTROLLER_LEASE, identity=chosen.pod_name)
        domain = cluster_domain(_read(RESOLV_CONF), chosen.namespace)
        gateway = Gateway(api, namespace=chosen.namespace, domain=domain)
        controller = Controller(api, connectors, classes, lease, recorder=recorder, gateway=gateway)
        keeper = CertificateKeeper(api, namespace=chosen.namespace, directory=chosen.tls_directory)
        images = ImageKeeper(api, namespace=chosen.namespace, own=chosen.allowed_images)
        app = broker.create_app(
            lambda: chosen.with_authorities(keeper.bundle).with_images(images.known),
            KubernetesCluster(api, connectors, classes, images),
            recorder,
            controller.doubt,
            chosen.namespace,
        )
        if not await done_before(keeper.start(), stop):
            return
        serving = serve(app, port=chosen.port, tls_directory=chosen.tls_directory, stop=stop)
        await together(
            serving,
            connectors.run(),
            keeper.run(),
            images.run(),
            recorder.run(),
            controller.run(),
            classes.run(),
            default_class.run(),
        )


def _read(path: Path) -> str:
    """Its text, or none if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
