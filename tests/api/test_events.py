"""Events on the real API server, as people see them: describe, get events, events."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from support.components.brokers import settle
from support.kubernetes.kube import Kube
from webhook.cluster.events import EventRecorder
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "job"},
    # nobody schedules it: on a node, it would have Events of others
    "spec": {
        "schedulerName": "nobody",
        "containers": [{"name": "main", "image": "example.test/never-pulled"}],
    },
}
SENTENCE = "Connector shared/pypi: ServiceAccount team/default may not use it: bind it to a ClusterRole"


@contextlib.asynccontextmanager
async def recording(kube: Kube, **options: Any) -> AsyncIterator[EventRecorder]:
    environment = {**os.environ, "KUBECONFIG": str(kube.kubeconfig)}
    async with await in_cluster_or_kubeconfig(environment) as api:
        recorder = EventRecorder(api, "pypi-connector", "broker-1", **options)
        task = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await settle()


def reference(kube: Kube, namespace: str) -> dict[str, str]:
    kube.create(POD, namespace=namespace)
    uid = kube.get("pod", "job", namespace)["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "job", "uid": uid}


async def refuse(recorder: EventRecorder, pod: dict[str, str]) -> None:
    connector = {"apiVersion": "connectors.alauda.io/v1alpha1", "kind": "Connector", "namespace": "shared"}
    await recorder.record(
        pod, reason="AccessDenied", message=SENTENCE, kind="Warning", related={**connector, "name": "pypi"}
    )


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.1)


def test_kubectl_shows_reason_sentence_and_repeats(kube: Kube, namespace: str) -> None:
    pod = reference(kube, namespace)

    def counts() -> list[int]:
        found = [one for one in kube.events(namespace, "job") if one["reason"] == "AccessDenied"]
        return [one["count"] for one in found]

    async def test() -> None:
        async with recording(kube, period_seconds=0.0) as recorder:
            await refuse(recorder, pod)
            await until(lambda: counts() == [1])
            await refuse(recorder, pod)
            await refuse(recorder, pod)
            await until(lambda: counts() == [3])
        async with recording(kube) as recorder:  # as after a restart
            await refuse(recorder, pod)
            await until(lambda: counts() == [4])

    asyncio.run(test())
    described = kube.run("describe", "pod", "job", "-n", namespace).stdout
    line = next(line for line in described.splitlines() if "AccessDenied" in line)
    assert line.split()[:2] == ["Warning", "AccessDenied"]
    assert "(x4 over" in line
    assert " ".join(line.split()).endswith(f"pypi-connector {SENTENCE}")
    for command in (["get", "events"], ["events", "--for", "pod/job"]):
        listed = kube.run(*command, "-n", namespace).stdout
        row = next(line for line in listed.splitlines() if "AccessDenied" in line)
        assert "Warning" in row
        assert "pod/job" in row.lower()
        assert SENTENCE in row
        assert "<unknown>" not in row


def test_an_event_on_a_pod_that_is_gone_is_taken(kube: Kube, namespace: str) -> None:
    pod = reference(kube, namespace)
    kube.delete("pod", "job", namespace, now=True)

    async def test() -> None:
        async with recording(kube) as recorder:
            await refuse(recorder, pod)
            await until(lambda: kube.events(namespace, "job"))

    asyncio.run(test())
