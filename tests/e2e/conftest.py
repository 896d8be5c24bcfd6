"""The cluster of the scenarios: the cluster of KUBECONFIG, with the product installed as README says.

The order of the modules is set here, and not by their names.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.authority import KeyPair, create_authority
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.scenarios import scenes
from support.scenarios.product import install

FOLDERS = ("attacks", "e2e", "disruptive")
"""The disruptive scenarios stop, roll or remove the product, which all others use."""
LAST = ("test_whereabouts.py", "test_uninstall.py")
"""In their folders: a search of all that the attacks have left, and a cluster without the product"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the modules of this folder; all else stays as it is, and comes first."""
    items.sort(key=_position)


def _position(item: pytest.Item) -> tuple[int, bool]:
    folder = item.path.parent.name
    is_here = item.path.is_relative_to(Path(__file__).parent)
    return (FOLDERS.index(folder), item.path.name in LAST) if is_here else (-1, False)


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
