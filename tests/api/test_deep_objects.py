"""A Connector as deep as the API server allows, in lists and watches with other Connectors.

Users who may create a Connector may write its `metadata.managedFields`; no guard is there to judge them.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from support.components.crowds import administrator, connector, prepare
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from webhook.cluster import paths
from webhook.cluster.cache import Cache
from webhook.cluster.kubernetes import KubernetesApi, in_cluster_or_kubeconfig
from webhook.cluster.trim import connector as trimmed

NAMESPACE = "default"
DEEP = 9985
"""The API server refuses 10,000 levels; some are above `fieldsV1`"""
PATIENCE_SECONDS = 20.0


def deep_connector(name: str) -> bytes:
    manifest = connector(name)
    manifest["metadata"]["managedFields"] = [
        {
            "manager": "somebody",
            "operation": "Update",
            "apiVersion": manifest["apiVersion"],
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": "DEEP",
        }
    ]
    fields = '{"f:a":' * DEEP + "{}" + "}" * DEEP
    return json.dumps(manifest).replace('"DEEP"', fields).encode()


def create(kube: Kube, body: bytes) -> None:
    with administrator(kube) as client:
        answer = client.post(
            paths.connectors(NAMESPACE), content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.is_success, answer.text


@contextlib.asynccontextmanager
async def running(api: KubernetesApi) -> AsyncIterator[Cache]:
    cache = Cache(api, paths.connectors(), trimmed)
    task = asyncio.create_task(cache.run())
    try:
        await asyncio.wait_for(cache.synced.wait(), PATIENCE_SECONDS)
        yield cache
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_known(cache: Cache, name: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while cache.get(NAMESPACE, name) is None:
            await asyncio.sleep(0.05)


def test_a_connector_that_is_as_deep_as_allowed_hides_no_other(tmp_path: Path) -> None:
    with clusters.api_server() as kube:
        prepare(kube, tmp_path)

        async def story() -> None:
            async with await in_cluster_or_kubeconfig({"KUBECONFIG": str(kube.kubeconfig)}) as api:
                async with running(api) as cache:
                    await asyncio.to_thread(create, kube, deep_connector("deep"))
                    found = await api.get(paths.connector(NAMESPACE, "deep"))
                    assert found is not None
                    assert found["metadata"]["managedFields"][0]["fieldsV1"]["f:a"]
                    await asyncio.to_thread(create, kube, json.dumps(connector("later")).encode())
                    await until_known(cache, "later")
                    await until_known(cache, "deep")
                async with running(api) as cache:  # a new replica begins with a list
                    await until_known(cache, "later")
                    await until_known(cache, "deep")

        asyncio.run(story())
