"""The Service of a Connector on the real API server, with the rights of the manifests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.checkout import MANIFESTS
from support.components.controllers import Replica
from support.kubernetes.connector_places import Place
from support.kubernetes.kube import Kube
from support.servers.registry import Registry
from webhook import names

HOST = "pypi-connector-gateway.pypi-connector-system.svc.cluster.local"
COMPONENT = MANIFESTS / "components" / "gateway"


@pytest.fixture
def gateway(cluster: Kube) -> Iterator[None]:
    """The component's objects; no process runs, for there is no node."""
    for file in ("gateway.yaml", "rbac.yaml"):
        cluster.run("apply", "-f", str(COMPONENT / file))
    change = {"status": {"replicas": 2, "readyReplicas": 2}}
    cluster.patch("deployment", names.GATEWAY, change, namespace=names.NAMESPACE, subresource="status")
    yield
    for file in ("gateway.yaml", "rbac.yaml"):
        cluster.run("delete", "--ignore-not-found", "-f", str(COMPONENT / file))


def url(place: Place, name: str = "pypi") -> str:
    return str(place.get(name).get("status", {}).get("proxy", {}).get("httpAddress", {}).get("url"))


def test_services_come_and_go_with_the_gateway(
    place: Place, registry: Registry, kubeconfig: Path, gateway: None
) -> None:
    place.login()
    place.connector(registry.origin)
    service = ("service", "c-pypi", place.namespace)
    with Replica(kubeconfig, "one", gateway_seconds=0.3):
        place.wait_said("ProxyServiceReady", "True", "Valid")
        assert url(place) == f"http://c-pypi.{place.namespace}.svc.cluster.local"
        assert place.kube.get(*service)["spec"]["externalName"] == HOST
        place.kube.run("delete", "service/c-pypi", "-n", place.namespace)
        place.kube.wait_for(lambda: place.kube.find(*service), what="the Service to be back")
        change = {"spec": {"externalName": "evil.example"}}
        place.kube.patch("service", "c-pypi", change, namespace=place.namespace)
        place.kube.wait_for(
            lambda: place.kube.get(*service)["spec"]["externalName"] == HOST,
            what="it to lead back",
        )
        place.kube.run("delete", "deployment", names.GATEWAY, "-n", names.NAMESPACE)
        place.kube.wait_for(lambda: place.kube.find(*service) is None, what="the Service to go")
        place.kube.wait_for(lambda: url(place).startswith("http://127.0.0.1:"), what="the loopback address")


def test_a_foreign_service_stays_as_it_is(
    place: Place, registry: Registry, kubeconfig: Path, gateway: None
) -> None:
    spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
    place.kube.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c-pypi"}, "spec": spec},
        namespace=place.namespace,
    )
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=0.5):
        message = place.wait_said("ProxyServiceReady", "False", "ServiceNameTaken")
        assert f"http://{HOST}/namespaces/{place.namespace}/connectors/pypi/" == url(place)
        assert url(place) in message
        place.wait_ready()
    assert place.kube.get("service", "c-pypi", place.namespace)["spec"]["selector"] == {"app": "theirs"}
