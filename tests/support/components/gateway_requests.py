"""The broker over HTTP as gateways ask it: a gateway's Pod, its clients' tokens, and the requests."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from sidecar.contract.grant import gateway_grant_request
from sidecar.contract.secret import Secret
from support.components.broker_requests import AUDIENCE, SETTINGS, connector, injected, login
from webhook import names
from webhook.demo.memory_cluster import MemoryCluster
from webhook.identifiers import ConnectorKey
from webhook.server.broker import create_app

CLIENTS = "pypi-connector-gateway"
"""The audience of their tokens"""
URL = "/v1/gateway-grants"


def gateway_pod(**changes: Any) -> dict[str, Any]:
    spec = {"serviceAccountName": names.GATEWAY, "containers": [{"name": "gateway", "image": "webhook"}]}
    return {
        "kind": "Pod",
        "metadata": {"name": "gateway-1", "namespace": names.NAMESPACE},
        "spec": spec,
        **changes,
    }


def cluster(*manifests: Mapping[str, Any]) -> MemoryCluster:
    return MemoryCluster([gateway_pod(), injected(), connector(), login(), *manifests])


def own_token(given: MemoryCluster) -> str:
    return given.issue_token(names.NAMESPACE, "gateway-1", AUDIENCE).reveal()


def client_token(
    given: MemoryCluster, namespace: str = "team", account: str = "default", audience: str = CLIENTS
) -> str:
    return given.issue_unbound_token(namespace, account, audience).reveal()


def body_of(token: str, key: str = "team/pypi") -> dict[str, Any]:
    return gateway_grant_request(key, None, Secret(token))


def ask_as_gateway(
    given: MemoryCluster,
    *bodies: Mapping[str, Any],
    own: str | None = None,
    recorder: Any = None,
    doubt: Callable[[ConnectorKey], None] = lambda connector: None,
    url: str = URL,
) -> list[httpx.Response]:
    """One broker's answers to these bodies, in order; by default, a client of the Connector's namespace."""
    app = create_app(lambda: SETTINGS, given, recorder, doubt)
    chosen: Sequence[Mapping[str, Any]] = bodies or [body_of(client_token(given))]
    headers = {
        "Authorization": f"Bearer {own_token(given) if own is None else own}",
        "Content-Type": "application/json",
    }

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, client=("10.0.0.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            texts = map(json.dumps, chosen)  # httpx would refuse a surrogate
            return [await client.post(url, content=text, headers=headers) for text in texts]

    return asyncio.run(send())
