"""The real broker in front of an API server, and a namespace for each test.

The API server is each module's own: elsewhere the guards are installed, and they let nobody but the kubelet
mint a token for the broker. The Pods never run, and their tokens are bound to them all the same.
"""

from collections.abc import Iterator

import pytest

from support.components.brokers import Broker, install, kubeconfig_of, running_broker
from support.kubernetes import clusters
from support.kubernetes.gateway_places import BROKER, POD, Gateway, gateway_pod, mint
from support.kubernetes.grant_places import SETTINGS, SHARED, Place
from support.kubernetes.kube import Kube
from webhook import names


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    with clusters.api_server() as alone:
        alone.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHARED}},
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": names.BROKER, "namespace": names.NAMESPACE},
            },
        )
        install(alone)
        yield alone


@pytest.fixture(scope="module")
def broker(cluster: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    path = kubeconfig_of(cluster, tmp_path_factory.mktemp("broker"), names.NAMESPACE, names.BROKER)
    with running_broker(path, SETTINGS) as running:
        yield running


@pytest.fixture
def place(cluster: Kube, broker: Broker, caplog: pytest.LogCaptureFixture) -> Iterator[Place]:
    with cluster.namespace(prefix="team") as namespace:
        yield Place(cluster, broker, namespace, caplog)


@pytest.fixture(scope="module")
def own(cluster: Kube) -> Iterator[str]:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.GATEWAY}}
    cluster.create(account, gateway_pod(), namespace=names.NAMESPACE)
    yield mint(cluster, names.NAMESPACE, names.GATEWAY, BROKER, pod=POD, duration="1h")
    cluster.delete("pod", POD, names.NAMESPACE, now=True)


@pytest.fixture
def gateway(place: Place, own: str) -> Gateway:
    return Gateway(place, own)
