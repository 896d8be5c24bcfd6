"""The keeper of certificates on an API in memory that fails, forgets and is changed at chosen moments."""

import asyncio
import base64
import copy
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from certs import store
from webhook import names
from webhook.cluster import paths
from webhook.cluster.api import REQUEST_SECONDS, PatchKind
from webhook.cluster.certificate_keeper import CertificateKeeper
from webhook.errors import Conflict, NotFound

NAMESPACE = "where-it-is-installed"
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIGURATION = paths.webhook_configuration(names.WEBHOOK_CONFIGURATION)
CA, ADMISSION, BROKER, GATEWAY = (
    paths.secret(NAMESPACE, name)
    for name in (
        names.CA_SECRET,
        names.ADMISSION_TLS_SECRET,
        names.BROKER_TLS_SECRET,
        names.GATEWAY_TLS_SECRET,
    )
)

Json = dict[str, Any]


class MemoryApi:
    """Implements `webhook.cluster.api.Api` on a dict, with versions and conflicts, for the keeper."""

    def __init__(self, *, configuration: bool = True, seed: int | None = None) -> None:
        self.objects: dict[str, Json] = {}
        self.calls: list[tuple[str, str]] = []
        self.fails: dict[tuple[str, str], Exception] = {}
        """By verb and path"""
        self.before: Callable[[str, str], None] = lambda _verb, _path: None
        """Called at each call, before anything is done: the moment at which others act"""
        self._random = random.Random(seed) if seed is not None else None
        self._version = 0
        if configuration:
            self.put(
                CONFIGURATION, configuration_of("pods.connectors.alauda.io", "more.connectors.alauda.io")
            )

    def put(self, path: str, one: Mapping[str, Any]) -> Json:
        self._version += 1
        stored = copy.deepcopy(dict(one))
        stored["metadata"] = {**stored["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = stored
        return copy.deepcopy(stored)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] not in ("get", "list")]

    async def get(self, path: str, *, seconds: float = REQUEST_SECONDS) -> Json | None:
        await self._enter("get", path)
        return copy.deepcopy(self.objects.get(path))

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        path = f"{path}/{body['metadata']['name']}"
        await self._enter("create", path)
        if path in self.objects:
            raise Conflict(f"{path} already exists")
        return self.put(path, body)

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        await self._enter("replace", path)
        self._check(path, body)
        return self.put(path, body)

    async def patch(self, path: str, body: object, kind: PatchKind = "merge") -> Json:
        await self._enter("patch", path)
        assert kind == "strategic"
        assert isinstance(body, dict)
        stored = self._check(path, body)
        by_name = {hook["name"]: hook for hook in stored["webhooks"]}
        for hook in body["webhooks"]:
            by_name[hook["name"]]["clientConfig"] |= hook["clientConfig"]
        return self.put(path, stored)

    def _check(self, path: str, body: Mapping[str, Any]) -> Json:
        if path not in self.objects:
            raise NotFound(f"{path} not found")
        if body["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict(f"{path} has been modified")
        return copy.deepcopy(self.objects[path])

    async def _enter(self, verb: str, path: str) -> None:
        for _ in range(self._random.randrange(4) if self._random else 1):
            await asyncio.sleep(0)  # replicas overtake each other
        self.calls.append((verb, path))
        self.before(verb, path)
        if (verb, path) in self.fails:
            raise self.fails[verb, path]

    async def list(self, path: str, **query: str) -> Json:
        raise AssertionError("no list of Secrets")

    async def text(self, path: str, **query: str) -> str:
        raise AssertionError

    def watch(self, path: str, **query: str) -> AsyncIterator[Json]:
        raise AssertionError("no watch of Secrets")


def configuration_of(*hooks: str) -> Json:
    entries = [{"name": hook, "clientConfig": {"service": {"name": names.ADMISSION}}} for hook in hooks]
    return {"metadata": {"name": names.WEBHOOK_CONFIGURATION}, "webhooks": entries}


class Clock:
    """Time that passes while the keeper sleeps, and a way to stop it after some looks."""

    def __init__(self, *, looks: int = 1000) -> None:
        self.now = NOW
        self.pauses: list[float] = []
        self.at_pause: dict[int, Callable[[], object]] = {}
        self._looks = looks

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.at_pause.get(len(self.pauses), lambda: None)()
        if len(self.pauses) >= self._looks:
            raise asyncio.CancelledError


def keeper_of(
    api: MemoryApi, directory: Path, clock: Clock | None = None, **options: Any
) -> CertificateKeeper:
    clock = clock or Clock()
    return CertificateKeeper(
        api, namespace=NAMESPACE, directory=directory, now=lambda: clock.now, pause=clock.sleep, **options
    )


def ensure(api: MemoryApi, directory: Path, clock: Clock | None = None) -> CertificateKeeper:
    keeper = keeper_of(api, directory, clock)
    asyncio.run(keeper.ensure())
    return keeper


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run until the clock stops it."""

    async def stopped() -> None:
        with pytest.raises(asyncio.CancelledError):
            await coroutine

    asyncio.run(stopped())


def files_in(api: MemoryApi, path: str) -> dict[str, str]:
    return store.read_texts(api.objects[path])


def ca_bundles(api: MemoryApi) -> list[str]:
    hooks = api.objects[CONFIGURATION]["webhooks"]
    return [base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode() for hook in hooks]


def verify(leaf: str, bundle: str, host: str, now: datetime = NOW) -> None:
    store_ = Store(x509.load_pem_x509_certificates(bundle.encode()))
    verifier = PolicyBuilder().store(store_).time(now).build_server_verifier(x509.DNSName(host))
    verifier.verify(x509.load_pem_x509_certificate(leaf.encode()), [])
