"""The admission process as a program of its own, registered with a real API server by its URL."""

import base64
import contextlib
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from certs.authority import ServingFiles, create_authority, issue_leaf
from certs.store import write_files
from support.checkout import ROOT
from support.kubernetes.kube import Kube
from support.machine.ports import free_port
from webhook import names

IMAGE = "registry.example/pypi-connector-sidecar:1"
CONNECTOR = {
    "apiVersion": names.API_VERSION,
    "kind": "Connector",
    "metadata": {"name": "team-pypi"},
    "spec": {"connectorClassName": "pypi", "address": "https://pypi.example.com"},
}


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


def localhost_files() -> ServingFiles:
    """A certificate for localhost, of an authority of its own."""
    now = datetime.now(UTC)
    authority = create_authority(now)
    leaf = issue_leaf(authority, ["localhost"], now)
    return ServingFiles(authority.certificate, leaf.certificate, leaf.key)


def client_config(port: int, path: str, ca: str) -> dict[str, str]:
    return {
        "url": f"https://localhost:{port}{path}",
        "caBundle": base64.b64encode(ca.encode()).decode(),
    }


def registration(process: Process, **fields: Any) -> dict[str, Any]:
    """The shipped one, by URL instead of by Service: there are no Services without a node."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "manifests/webhook/mutating.yaml").read_text())
    for webhook in document["webhooks"]:
        webhook |= {"clientConfig": client_config(process.port, "/mutate", process.ca), **fields}
    return document


def pod(name: str = "build", annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    chosen = {names.CONNECTOR: "team-pypi"} if annotations is None else annotations
    containers = [{"name": "main", "image": "python:3.13-slim"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": chosen},
        "spec": {"containers": containers, **spec},
    }


@contextlib.contextmanager
def registered_admission(kube: Kube, folder: Path, **fields: Any) -> Iterator[Process]:
    """`fields` replace those of each webhook in the shipped registration."""
    for kind in ("connectors", "connectorclasses"):
        kube.apply((ROOT / f"manifests/crd/{kind}.yaml").read_text())
        kube.wait_for_condition("crd", f"{kind}.connectors.alauda.io", "Established")
    process = _start(kube, folder, localhost_files())
    try:
        kube.wait_for(process.is_ready, what="the admission process to be ready")
        kube.apply(registration(process, **fields))
        kube.wait_for(lambda: _is_effective(kube), what="the registration to be in effect")
        yield process
    finally:
        kube.run("delete", "mutatingwebhookconfiguration", "pypi-connector", "--ignore-not-found")
        process.popen.kill()
        process.popen.wait()


def _start(kube: Kube, folder: Path, ca: ServingFiles) -> Process:
    write_files(folder / "tls", ca)
    port = free_port()
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


def _is_effective(kube: Kube) -> bool:
    """The API server reads registrations again within about a second."""
    with kube.namespace() as namespace:
        return "not found" in kube.create(pod(), namespace=namespace, check=False).stderr
