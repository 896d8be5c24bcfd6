"""The cluster of the scenarios: that of KUBECONFIG, with the product installed as README says."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from certs.authority import KeyPair, create_authority
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.scenarios import scenes
from support.scenarios.product import install


@pytest.fixture(scope="session")
def kube() -> Kube:
    """As cluster administrator. There is no Pod without a kubelet: a cluster must be given."""
    found = clusters.given()
    if found is None:
        clusters.unavailable("no node: run `make e2e`, or set KUBECONFIG to a cluster (docs/cluster.md)")
    return found


@pytest.fixture(scope="session")
def installed(kube: Kube) -> Kube:
    """The product, ready. It stays: scenarios that remove it bring it back."""
    install(kube)
    return kube


@pytest.fixture
def namespace(installed: Kube) -> Iterator[str]:
    """A fresh one for each test, of a team that uses the product."""
    with installed.namespace(prefix="team") as name:
        yield name


@pytest.fixture(scope="session")
def authority() -> KeyPair:
    """A private CA for registries."""
    return create_authority(datetime.now(UTC))


@pytest.fixture(scope="session")
def registry(installed: Kube) -> Iterator[scenes.Registry]:
    """pypiserver with a password, over http, for all scenarios that only need one."""
    with installed.namespace(prefix="registry") as name:
        yield scenes.deploy_registry(installed, name)
