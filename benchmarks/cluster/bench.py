"""Shared by all figures: the installed product, a registry, a Connector, and Pods that use it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import CHECKOUT
from benchmarks.cluster.api import Api, Object, connect
from benchmarks.cluster.tables import Table, number
from support.kubernetes.kube import Kube
from support.scenarios import product, scenes
from webhook import names

CONNECTOR = "team-pypi"
STANDING = 5
"""Number of standing injected Pods: arbitrary, enough for a median"""


@dataclass(frozen=True, slots=True)
class Bench:
    """All of it lives until the benchmark ends."""

    api: Api
    kube: Kube
    namespace: str
    registry: scenes.Registry
    standing: tuple[Object, ...]
    """Running injected Pods. Each has installed a package through its sidecar"""
    install: Table
    is_quick: bool

    def rounds(self, count: int) -> int:
        return max(2, count // 5) if self.is_quick else count

    @property
    def pods(self) -> str:
        """The path of the Pods of the benchmark's namespace."""
        return f"/api/v1/namespaces/{self.namespace}/pods"


@contextmanager
def prepared(*, is_quick: bool) -> Iterator[Bench]:
    """Prepare all of it. The product stays installed when the benchmark ends."""
    kube = Kube(Path(os.environ["KUBECONFIG"]))
    with connect(kube.kubeconfig) as api:
        seconds = _install(kube)
        rows = [("kubectl apply to both Deployments ready, s", number(seconds, 1))]
        with kube.namespace(prefix="bench") as namespace:
            say("Preparing a registry, a Connector and Pods")
            registry = scenes.deploy_registry(kube, namespace)
            kube.apply(*scenes.connector(CONNECTOR, registry), namespace=namespace)
            kube.wait_for_condition("connectors.connectors.alauda.io", CONNECTOR, "Ready", namespace)
            standing = _stand(kube, namespace)
            yield Bench(
                api, kube, namespace, registry, standing, Table("Install", ("", "once"), rows), is_quick
            )


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _install(kube: Kube) -> float | None:
    """Install the product; return the seconds, or None if it was there."""
    if kube.find("namespace", names.NAMESPACE):
        product.await_ready(kube, names.BROKER, names.ADMISSION)
        return None
    began = time.monotonic()
    kube.run("apply", "-k", str(CHECKOUT / "manifests" / "overlays" / "default"))
    product.await_ready(kube, names.BROKER, names.ADMISSION)
    return time.monotonic() - began


def _stand(kube: Kube, namespace: str) -> tuple[Object, ...]:
    install = "pip install --target /work/installed hello-connector"
    first = {"name": "install", "image": scenes.WORKLOAD, "command": ["sh", "-exc", install]}
    pods = [
        scenes.pod(f"standing-{number}", "exec sleep infinity", CONNECTOR, initContainers=[first])
        for number in range(STANDING)
    ]
    # right after the install the API server may not call the webhook yet, and then guard 4 refuses the Pod
    kube.wait_for(
        lambda: kube.apply(*pods, namespace=namespace, check=False).returncode == 0,
        what="injected Pods to be accepted",
    )
    for pod in pods:
        kube.wait_for_condition("pod", pod["metadata"]["name"], "Ready", namespace)
    return tuple(kube.get("pod", pod["metadata"]["name"], namespace) for pod in pods)
