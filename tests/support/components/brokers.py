"""The real broker on a real API server, in this process, as the ServiceAccount that the manifests give it.

Its questions are asked with that ServiceAccount's token, so its rights are those of `manifests/rbac`.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from sidecar.contract.grant import gateway_grant_request
from sidecar.contract.secret import Secret
from support.checkout import MANIFESTS
from support.kubernetes.kube import Kube
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.events import EventRecorder
from webhook.cluster.image_keeper import ImageKeeper
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig
from webhook.cluster.lookups import KubernetesCluster
from webhook.pod.settings import Settings
from webhook.server.broker import create_app
from webhook.status.connector_trim import spec_and_status

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Runs in a thread with a loop of its own."""

    app: FastAPI
    loop: asyncio.AbstractEventLoop

    def ask(self, token: str, connector: str) -> httpx.Response:
        """Request a grant."""
        return self._request(token, "/v1/grants", {"connector": connector})

    def ask_as_gateway(self, own: str, token: str, connector: str) -> httpx.Response:
        """Request a grant with the gateway's own token, for the client of the other."""
        body = gateway_grant_request(connector, None, Secret(token))
        return self._request(own, "/v1/gateway-grants", body)

    def _request(self, token: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        request = asyncio.run_coroutine_threadsafe(self._post(token, path, body), self.loop)
        return request.result(PATIENCE_SECONDS)

    async def _post(self, token: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.post(path, json=body, headers=headers)


def install(kube: Kube) -> None:
    """Install the broker's needs, but no webhook and no guards: an administrator mints the Pods' tokens."""
    for folder in ("crd", "rbac"):
        kube.run("apply", "--server-side", "-k", str(MANIFESTS / folder))
    kube.run("wait", "--for=condition=Established", "crd/connectors.connectors.alauda.io", "--timeout=60s")


def kubeconfig_of(kube: Kube, folder: Path, namespace: str, service_account: str) -> Path:
    """The administrator's kubeconfig with that ServiceAccount's token in it."""
    token = kube.run("create", "token", service_account, "-n", namespace).stdout.strip()
    config = json.loads(kube.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / f"{service_account}.conf"
    path.write_text(json.dumps(config))
    return path


@contextlib.contextmanager
def running_broker(kubeconfig: Path, settings: Settings) -> Iterator[Broker]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = contextlib.AsyncExitStack()
    try:
        start = stack.enter_async_context(_wired(kubeconfig, settings))
        app = asyncio.run_coroutine_threadsafe(start, loop).result(PATIENCE_SECONDS)
        yield Broker(app, loop)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(PATIENCE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def settle() -> None:
    """Until the TLS connections that were just closed are gone: a loop that ends before them warns of each.

    aiohttp's documentation ("Graceful Shutdown") has no event to wait for either, and gives this time.
    """
    await asyncio.sleep(0.25)


@contextlib.asynccontextmanager
async def _wired(kubeconfig: Path, settings: Settings) -> AsyncIterator[FastAPI]:
    async with await in_cluster_or_kubeconfig({"KUBECONFIG": str(kubeconfig)}) as api:
        connectors = Cache(api, paths.connectors(), spec_and_status)
        classes = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
        recorder = EventRecorder(api, names.SIDECAR, "broker-of-the-test", period_seconds=0.5)
        images = ImageKeeper(api, namespace=names.NAMESPACE, own=settings.allowed_images)
        tasks = [
            asyncio.create_task(one)
            for one in (connectors.run(), classes.run(), recorder.run(), images.run())
        ]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await connectors.synced.wait()
                await classes.synced.wait()
            cluster = KubernetesCluster(api, connectors, classes, images)
            yield create_app(lambda: settings.with_images(images.known), cluster, recorder)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await settle()
