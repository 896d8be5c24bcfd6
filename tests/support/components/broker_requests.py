"""The broker over HTTP on a cluster in memory: a Pod that may ask it, its requests, its log and Events."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from certs.authority import create_authority
from webhook.connector.manifest import parse_connector
from webhook.demo.memory_cluster import MemoryCluster
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import decide
from webhook.pod.settings import Settings
from webhook.server.broker import create_app

CANARY = "canary-51c2-broker"
AUDIENCE = "pypi-connector"
CA = create_authority(datetime.now(UTC))
SETTINGS = Settings(
    sidecar_image="registry.example/sidecar",
    allowed_images=("registry.example/sidecar",),
    broker_ca=(CA.certificate,),
)


def connector(name: str = "pypi", namespace: str = "team", **params: str) -> dict[str, Any]:
    return {
        "kind": "Connector",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def login(namespace: str = "team", password: str = CANARY) -> dict[str, Any]:
    return {
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": "reader", "password": password},
    }


def injected(volumes: Sequence[Mapping[str, Any]] = (), **annotations: str) -> dict[str, Any]:
    """A Pod that admission has reviewed."""
    chosen = {"connector": "pypi", **annotations}
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "job",
            "namespace": "team",
            "annotations": {
                f"connectors.alauda.io/{key.replace('_', '-')}": text for key, text in chosen.items()
            },
        },
        "spec": {"containers": [{"name": "main", "image": "python"}], "volumes": list(volumes)},
    }

    def lookup(key: ConnectorKey) -> Any:
        return parse_connector(connector(key.name, key.namespace))

    decision = decide(pod, namespace="team", lookup=lookup, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def cluster(*manifests: Mapping[str, Any], pod: Mapping[str, Any] | None = None) -> MemoryCluster:
    return MemoryCluster([pod or injected(), connector(), login(), *manifests])


def token(given: MemoryCluster) -> str:
    return given.issue_token("team", "job", AUDIENCE).reveal()


def request(
    given: Any, *, bearer: str | None = None, key: str = "team/pypi", **options: Any
) -> httpx.Response:
    """A request for a grant; `options` overrides parts of it."""
    return requests(given, 1, bearer=bearer, key=key, **options)[0]


def requests(
    given: Any,
    count: int,
    *,
    bearer: str | None = None,
    key: str = "team/pypi",
    recorder: "Told | None" = None,
    **options: Any,
) -> list[httpx.Response]:
    """The same request several times, to one broker."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    options.setdefault("headers", headers)
    if "content" not in options:
        options.setdefault("json", {"connector": key, "rejected": None})

    method, url = options.pop("method", "POST"), options.pop("url", "/v1/grants")

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, given, recorder))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            return [await client.request(method, url, **options) for _ in range(count)]

    return asyncio.run(send())


def ask(given: MemoryCluster, **options: Any) -> httpx.Response:
    return request(given, bearer=token(given), **options)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and reason of a well-formed problem document."""
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    fields = response.json()
    assert set(fields) == {"type", "title", "status", "detail", "reason"}
    assert fields["status"] == response.status_code
    assert fields["title"]
    assert fields["detail"]
    assert CANARY not in response.text
    return response.status_code, fields["reason"]


def audit(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The broker's own lines."""
    return [record for record in caplog.records if record.name == "webhook.server.broker"]


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that a log handler could write of the records."""
    return "\n".join(
        f"{record.getMessage()} {record.__dict__!r} {record.exc_text}" for record in caplog.records
    )


class Told:
    """Records the Events on Pods."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def record(self, regarding: Mapping[str, str], **fields: Any) -> None:
        self.events.append({"regarding": dict(regarding), **fields})

    def lines(self) -> list[tuple[str, str, bool]]:
        """Kind with reason, message, and whether others may have written it."""
        return [(f"{one['kind']} {one['reason']}", one["message"], one["once"]) for one in self.events]
