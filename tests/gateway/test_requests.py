"""A gateway in front of a scripted registry: which connector, who, and what passes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates.authority import server_context
from support.servers.registry import Registry
from support.sidecars.gateways import Gateway, GatewayBroker, running_gateway, token
from support.sidecars.running import AUTHORIZATION, grant

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_a_token_of_the_connector_gets_its_files(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    reply = gateway.ask_as(TOKEN, WHEEL)
    assert (reply.status, reply.body) == (200, b"wheel")
    (request,) = registry.requests
    assert request.header("authorization") == AUTHORIZATION
    assert request.header("host") == registry.origin.removeprefix("https://")
    (asked,) = broker.asked()
    assert asked == {"connector": "team/pypi", "rejected": None, "enforces": ["packages"], "token": TOKEN}
    assert broker.requests[0].header("authorization") == "Bearer token-of-the-gateway"
