"""A registry over TLS, a broker that grants it to one token, and a real gateway in front."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.servers.registry import Registry
from support.sidecars.gateways import TOKEN, Gateway, GatewayBroker, running_gateway
from support.sidecars.running import grant


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(server_context()) as registry:
        yield registry


@pytest.fixture
def broker(registry: Registry) -> Iterator[GatewayBroker]:
    with GatewayBroker() as broker:
        broker.allow("team/pypi", TOKEN, grant(registry))
        yield broker


@pytest.fixture
def gateway(broker: GatewayBroker, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path, broker) as gateway:
        yield gateway
