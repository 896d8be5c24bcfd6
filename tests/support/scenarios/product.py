"""The product on a cluster: installed, scaled, counted, explained, removed; as its administrators do it."""

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from support.checkout import MANIFESTS
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from support.scenarios import scenes
from webhook import names

OVERLAY = MANIFESTS / "overlays" / "default"
PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))
REPLICAS = 2
READY_SECONDS = 180.0
GONE_SECONDS = 60.0
"""Each replica drains for 8 s before it ends."""
UNINSTALL_SECONDS = 120.0
"""The namespace ends after the last of them."""


def install(kube: Kube) -> None:
    """Install as README says, and wait until it is ready."""
    kube.run("apply", "-k", str(OVERLAY))
    await_ready(kube, names.BROKER, names.ADMISSION)
    kube.wait_for(lambda: has_ca_bundle(kube), what="caBundle to be written")
    kube.wait_for(lambda: reviews(kube), what="the registration to be in effect")


@contextmanager
def gateway(kube: Kube) -> Iterator[None]:
    """The gateway beside the product, added and removed as docs/install.md says."""
    with kube.namespace(prefix="e2e-gateway") as namespace:
        nowhere = scenes.Registry(kube, namespace, "nowhere", "https://nowhere.invalid", password="")
        kube.create(*scenes.connector("looked-at", nowhere), namespace=namespace)
        try:
            _add_gateway(kube)
            _await_address(kube, namespace, f"http://c-looked-at.{namespace}.svc.cluster.local")
            yield
        finally:
            _remove_gateway(kube)
            _await_address(kube, namespace, "http://127.0.0.1:")


def _add_gateway(kube: Kube) -> None:
    with tempfile.TemporaryDirectory() as folder:
        overlay_with_gateway(Path(folder))
        kube.run("apply", "-k", folder)
    await_ready(kube, names.GATEWAY)
    kube.wait_for(lambda: len(ready_pods(kube, names.GATEWAY)) == REPLICAS, what="both replicas")


def _remove_gateway(kube: Kube) -> None:
    options = ("--ignore-not-found",)
    at_home = ("-n", names.NAMESPACE, *options)
    kube.run("delete", f"deployment/{names.GATEWAY}", *at_home)
    services = ("get", "services", "-A", "-l", names.PROXY_SERVICE_LABEL, "-o", "name")
    kube.wait_for(lambda: kube.run(*services).stdout == "", what="the Services to go")
    kube.run("delete", "service,serviceaccount,hpa,pdb,networkpolicy", names.GATEWAY, *at_home)
    kube.run("delete", "clusterrole,clusterrolebinding", "pypi-connector-proxy-services", *options)


def _await_address(kube: Kube, namespace: str, prefix: str) -> None:
    """The controller knows of the gateway, or of its absence: the next module's Connectors depend on it."""

    def is_recorded() -> bool:
        status = kube.get("connector", "looked-at", namespace)["status"]
        return str(status["proxy"]["httpAddress"]["url"]).startswith(prefix)

    kube.wait_for(is_recorded, what=f"the address {prefix}")


def overlay_with_gateway(folder: Path) -> None:
    """Write an overlay of one's own: the default one, and the line of docs/install.md."""
    parts = {"resources": OVERLAY, "components": MANIFESTS / "components" / "gateway"}
    lines = [f"{key}: [{os.path.relpath(path, folder.resolve())}]" for key, path in parts.items()]
    kind = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    (folder / "kustomization.yaml").write_text(kind + "\n".join(lines) + "\n")


def has_ca_bundle(kube: Kube) -> bool:
    found = kube.get("mutatingwebhookconfiguration", names.WEBHOOK_CONFIGURATION)
    bundle = found["webhooks"][0]["clientConfig"].get("caBundle") or ""
    return b"BEGIN CERTIFICATE" in base64.b64decode(bundle)


def reviews(kube: Kube) -> bool:
    """Whether the API server asks the webhook, and gets its answer."""
    with kube.namespace(prefix="e2e-ready") as namespace:
        said = kube.create(scenes.pod("p", "true", "nowhere"), namespace=namespace, check=False).stderr
    return "connector nowhere not found" in said


def uninstall(kube: Kube) -> None:
    """kubectl waits until all is gone."""
    kube.run("delete", "-k", str(OVERLAY), timeout=UNINSTALL_SECONDS)


def component(deployment: str) -> str:
    """A selector of its Pods."""
    return f"app.kubernetes.io/component={deployment.removeprefix('pypi-connector-')}"


def pods(kube: Kube, deployment: str) -> list[dict[str, Any]]:
    """Its Pods, including Pods that are ending."""
    return kube.list("pods", names.NAMESPACE, selector=component(deployment))


def ready_pods(kube: Kube, deployment: str) -> list[dict[str, Any]]:
    """Its Pods that serve, and are not ending."""

    def is_ready(pod: dict[str, Any]) -> bool:
        conditions = pod["status"].get("conditions") or []
        is_up = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return is_up and "deletionTimestamp" not in pod["metadata"]

    return [pod for pod in pods(kube, deployment) if is_ready(pod)]


def await_ready(kube: Kube, *deployments: str) -> None:
    for one in deployments:
        options = ("-n", names.NAMESPACE, f"--timeout={READY_SECONDS:g}s")
        kube.run("rollout", "status", f"deployment/{one}", *options, timeout=READY_SECONDS + 20)


def scale(kube: Kube, deployment: str, replicas: int) -> None:
    kube.run("scale", f"deployment/{deployment}", "-n", names.NAMESPACE, f"--replicas={replicas}")


@contextmanager
def away(kube: Kube, deployment: str) -> Iterator[None]:
    """Scale the component to zero for the block. Afterwards all replicas are ready again."""
    scale(kube, deployment, 0)
    try:
        kube.wait_for(
            lambda: not pods(kube, deployment), seconds=GONE_SECONDS, what=f"the Pods of {deployment} to end"
        )
        yield
    finally:
        scale(kube, deployment, REPLICAS)
        await_ready(kube, deployment)


def starts(kube: Kube) -> dict[str, int]:
    """Pod → how often its container was started again."""
    found = {}
    for deployment in (names.ADMISSION, names.BROKER):
        for pod in pods(kube, deployment):
            [status] = pod["status"]["containerStatuses"]
            found[pod["metadata"]["name"]] = status["restartCount"]
    return found


def explain(kube: Kube, namespace: str, what: str) -> CompletedProcess[str]:
    """Run `explain` as an administrator."""
    return command(kube, "explain", "-n", namespace, what)


def command(kube: Kube, *arguments: str) -> CompletedProcess[str]:
    """Run `pypi-connector` as an administrator."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=clean(KUBECONFIG=str(kube.kubeconfig)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
