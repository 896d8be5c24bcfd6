"""The admission process beside a real API server, registered by its URL, and Pods that it reviews."""

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from certs.authority import ServingFiles, create_authority, issue_leaf
from certs.store import write_files
from support.checkout import ROOT
from support.kubernetes.kube import Kube
from webhook import names

IMAGE = "registry.example/pypi-connector-sidecar:1"


@dataclass(frozen=True, slots=True)
class Process:
    """One admission process, registered by its URL."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    port: int
    ca: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def is_ready(self) -> bool:
        context = ssl.create_default_context(cadata=self.ca)
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(
                f"https://localhost:{self.port}/readyz", context=context, timeout=2
            ) as answer,
        ):
            return bool(answer.status == 200)
        return False


def registration(process: Process) -> dict[str, Any]:
    """The shipped one, by URL instead of by Service: there are no Services without a node."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "manifests/webhook/mutating.yaml").read_text())
    document["webhooks"][0]["clientConfig"] = {
        "url": f"https://localhost:{process.port}/mutate",
        "caBundle": base64.b64encode(process.ca.encode()).decode(),
    }
    return document


def start(kube: Kube, folder: Path, ca: ServingFiles) -> Process:
    write_files(folder / "tls", ca)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(kube.kubeconfig),
        "WEBHOOK_SIDECAR_IMAGE": IMAGE,
        "WEBHOOK_PULL_SECRETS": "mirror",
        "WEBHOOK_PORT": str(port),
        "WEBHOOK_TLS_DIR": str(folder / "tls"),
    }
    log = folder / "log"
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [sys.executable, "-m", "webhook", "admission"], env=environment, stderr=file, cwd=ROOT
        )
    return Process(popen, log, port, ca.bundle)


@contextlib.contextmanager
def running_admission(kube: Kube, folder: Path) -> Iterator[Process]:
    """Until the context ends, it reviews the Pods of the cluster."""
    kube.apply((ROOT / "manifests/crd/connectors.yaml").read_text())
    kube.wait_for_condition("crd", "connectors.connectors.alauda.io", "Established")
    now = datetime.now(UTC)
    authority = create_authority(now)
    leaf = issue_leaf(authority, ["localhost"], now)
    process = start(kube, folder, ServingFiles(authority.certificate, leaf.certificate, leaf.key))
    try:
        kube.wait_for(process.is_ready, what="the admission process to be ready")
        kube.apply(registration(process))
        kube.wait_for(lambda: _is_effective(kube), what="the registration to be in effect")
        yield process
    finally:
        kube.run("delete", "mutatingwebhookconfiguration", "pypi-connector", "--ignore-not-found")
        process.popen.kill()
        process.popen.wait()


def _is_effective(kube: Kube) -> bool:
    """The API server reads registrations again within about a second."""
    with kube.namespace() as namespace:
        return "not found" in kube.create(pod(), namespace=namespace, check=False).stderr


def pod(name: str = "build", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    chosen = {names.CONNECTOR: "team-pypi"} if annotations is None else annotations
    containers = [{"name": "main", "image": "python:3.13-slim"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": chosen},
        "spec": {"containers": containers, **spec},
    }


CONNECTOR = {
    "apiVersion": names.API_VERSION,
    "kind": "Connector",
    "metadata": {"name": "team-pypi"},
    "spec": {"connectorClassName": "pypi", "address": "https://pypi.example.com"},
}
