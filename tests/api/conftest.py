"""The API server of these tests: of the cluster of KUBECONFIG, or one without a node, up in seconds.

Only what needs no node belongs here: no Pod of these tests may ever run, and beside a scheduler it would. So
also `make e2e` runs them on one alone, in the network of pytest: their servers are reached on 127.0.0.1.
"""

from collections.abc import Iterator

import pytest

from support.kubernetes import clusters
from support.kubernetes.kube import Kube


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """As cluster administrator."""
    given = clusters.given()
    if given is not None and not clusters.is_our_node():
        yield given
        return
    with clusters.api_server() as alone:
        yield alone


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A fresh one for each test."""
    with kube.namespace() as name:
        yield name
