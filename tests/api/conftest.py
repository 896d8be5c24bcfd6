"""The API server of these tests: that of the cluster that KUBECONFIG names, or one alone, up in seconds.

Only what needs no node belongs here: no Pod of these tests ever runs. Either API server, the one alone and
that of `make e2e`, runs in the network of pytest: servers of the tests are reached on 127.0.0.1.
"""

from collections.abc import Iterator

import clusters
import pytest
from kube import Kube


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """As cluster administrator."""
    if (given := clusters.given()) is not None:
        yield given
        return
    with clusters.api_server() as alone:
        yield alone


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A fresh one for each test."""
    with kube.namespace() as name:
        yield name
