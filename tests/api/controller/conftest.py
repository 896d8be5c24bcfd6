"""An API server with the kinds, the class and the controller's rights, and a namespace for each test.

The API server is each module's own: on that of an installation, the installed controller would lead.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.components.brokers import install, kubeconfig_of
from support.kubernetes import clusters
from support.kubernetes.connector_places import Place, guarded
from support.kubernetes.kube import Kube
from support.servers.registry import Registry
from webhook import names
from webhook.cluster.connector_class import PYPI


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    with clusters.api_server() as alone:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.BROKER}}
        alone.create(namespace)
        alone.create(account, namespace=names.NAMESPACE)
        install(alone)
        alone.run(
            "wait", "--for=condition=Established", f"crd/connectorclasses.{names.GROUP}", "--timeout=60s"
        )
        alone.create(PYPI)
        yield alone


@pytest.fixture(scope="module")
def kubeconfig(cluster: Kube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kubeconfig_of(cluster, tmp_path_factory.mktemp("broker"), names.NAMESPACE, names.BROKER)


@pytest.fixture
def place(cluster: Kube) -> Iterator[Place]:
    with cluster.namespace(prefix="team") as namespace:
        yield Place(cluster, namespace)
        cluster.run("delete", "connectors.connectors.alauda.io", "--all", "-n", namespace)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Takes one password."""
    with Registry() as found:
        found.on("*", guarded)
        yield found
