"""Reviews that the tests send to admission, and its answers, without a network."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from webhook.connector.manifest import MaybeConnector, parse_connector
from webhook.identifiers import ConnectorKey
from webhook.pod.settings import Settings
from webhook.server.admission import create_app
from webhook.server.reviewer import ConnectorLookup

SETTINGS = Settings("r.example/s:1", ("r.example/s:1",), ("-----BEGIN CERTIFICATE-----\nMIIB\n",))
CANARY = "canary-6f2d"
CONNECTOR = parse_connector(
    {
        "metadata": {"name": "pypi", "namespace": "team-a"},
        "spec": {"connectorClassName": "pypi", "address": "https://pypi.example"},
    }
)
POD: Mapping[str, Any] = {
    "metadata": {"generateName": "build-", "annotations": {"connectors.alauda.io/connector": "pypi"}},
    "spec": {"containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": CANARY}]}]},
}
REQUEST: Mapping[str, Any] = {
    "uid": "0e1f",
    "operation": "CREATE",
    "namespace": "team-a",
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "object": POD,
}


async def find(keys: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
    return {key: CONNECTOR if key == CONNECTOR.key else None for key in keys}


def document(**changes: object) -> dict[str, Any]:
    request = {key: value for key, value in {**REQUEST, **changes}.items() if value is not None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def post(
    body: object,
    *,
    find: ConnectorLookup = find,
    content_type: str = "application/json",
    **options: Any,
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.ASGITransport(create_app(lambda: SETTINGS, find, **options))
    async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
        return await client.post("/mutate", content=content, headers={"content-type": content_type})


def post_now(body: object, **options: Any) -> httpx.Response:
    return asyncio.run(post(body, **options))
