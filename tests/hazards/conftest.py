"""A registry over TLS, and a real sidecar in front of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.exchange.server import ACTIVE_LIMIT
from support.certificates.authority import server_context
from support.servers.registry import Registry
from support.sidecars.running import Sidecar, grant, running_sidecar
from support.sidecars.scoped import scoped_sidecar


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(server_context()) as found:
        yield found


@pytest.fixture
def elsewhere() -> Iterator[Registry]:
    """Another origin, with a certificate that the Connector's CA vouches for too."""
    with Registry(server_context()) as found:
        yield found


@pytest.fixture
def sidecar(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    with running_sidecar(tmp_path, grant(registry)) as found:
        yield found


@pytest.fixture
def roomy(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """Its credential has been accepted, and its Connector allows more connections than it has places."""
    with running_sidecar(tmp_path, grant(registry, max_connections=ACTIVE_LIMIT)) as found:
        found.get("/simple/warm/")
        yield found


@pytest.fixture
def scoped(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """The sidecar of a Connector whose address is one repository of several on a registry."""
    with scoped_sidecar(registry, tmp_path) as found:
        yield found
