"""An API server of its own, with the admission process and old injectors registered in every order."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.components.admissions import CONNECTOR, Process, registered_admission
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.servers import injectors
from support.servers.injector_kinds import INJECTORS, created, users_pod


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    """Not the shared API server: other webhooks there would have a say, and an audit log is read."""
    with clusters.api_server() as alone:
        yield alone


@pytest.fixture(scope="module")
def admission(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with registered_admission(kube, tmp_path_factory.mktemp("admission")) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def _old_injectors(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with (
        injectors.serving("models-1-27", tmp_path_factory.mktemp("injector")) as server,
        injectors.registered(kube, *INJECTORS, server=server),
    ):
        yield


@pytest.fixture(scope="module")
def shared(kube: Kube, admission: Process) -> Iterator[str]:
    """The Connector as Pods of all namespaces name it."""
    with kube.namespace(prefix="shared") as namespace:
        kube.create(CONNECTOR, namespace=namespace)
        yield f"{namespace}/team-pypi"


@pytest.fixture(scope="module")
def reference(kube: Kube, shared: str) -> dict[str, Any]:
    """Our Pod without another webhook."""
    with kube.namespace() as namespace:
        return created(kube, users_pod(shared), namespace)
