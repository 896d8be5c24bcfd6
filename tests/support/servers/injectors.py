"""Injectors of others beside ours: they round-trip Pods through old typed models (`old_injector.py`)."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from certs.store import write_files
from support.checkout import TESTS
from support.components.admissions import client_config, localhost_files, pod
from support.kubernetes.kube import Kube
from support.machine.environments import clean, environment

PROGRAM = TESTS / "support" / "servers" / "old_injector.py"
LABEL = "old-injector"
"""What it puts on each Pod that it has seen"""

Models = Literal["models-1-27", "models-1-28"]
"""Of Kubernetes 1.27, which knows no native sidecars, and of 1.28; `requirements/` has their locks"""


@dataclass(frozen=True, slots=True)
class Injector:
    """How an injector is registered, and what it does."""

    order: Literal["before", "after"]
    """Whether its name sorts before `pypi-connector`"""
    reinvocation: Literal["Never", "IfNeeded"]
    style: Literal["difference", "whole"] = "difference"
    addition: Literal["none", "variable", "container", "few-fields"] = "none"
    models: Models = "models-1-27"

    @property
    def key(self) -> str:
        return "-".join((self.order, self.reinvocation, self.style, self.addition, self.models)).lower()

    @property
    def label(self) -> dict[str, str]:
        """Of the Namespaces that it serves."""
        return {f"injector.example/{self.key}": "true"}

    @property
    def configuration(self) -> str:
        return f"{'a' if self.order == 'before' else 'z'}-{self.key}"

    @property
    def webhook(self) -> str:
        return f"{self.key}.injector.example"


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    ca: str


@contextlib.contextmanager
def serving(models: Models, folder: Path) -> Iterator[Server]:
    """One process for all injectors of the same models."""
    files = localhost_files()
    write_files(folder, files)
    python = environment(models) / "bin" / "python"
    command = [python, PROGRAM, folder / "tls.crt", folder / "tls.key"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=clean()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()), files.bundle)
        finally:
            process.stdin.close()  # which ends it


def left_by(models: Models, manifest: dict[str, Any]) -> dict[str, Any]:
    """The Pod without the fields that these models do not know."""
    command = [environment(models) / "bin" / "python", PROGRAM, "--filter"]
    result = subprocess.run(
        command, input=json.dumps(manifest), capture_output=True, text=True, check=True, env=clean()
    )
    left: dict[str, Any] = json.loads(result.stdout)
    return left


def registration(injector: Injector, server: Server) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    webhook = {
        "name": injector.webhook,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config(server.port, f"/{injector.style}/{injector.addition}", server.ca),
        "rules": [rule],
        "namespaceSelector": {"matchLabels": injector.label},
        "reinvocationPolicy": injector.reinvocation,
        "sideEffects": "None",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": injector.configuration},
        "webhooks": [webhook],
    }


@contextlib.contextmanager
def registered(kube: Kube, *injectors: Injector, server: Server) -> Iterator[None]:
    """Each serves the Namespaces with its label."""
    try:
        kube.apply(*(registration(injector, server) for injector in injectors))
        with kube.namespace(injectors[-1].label) as name:
            kube.wait_for(lambda: _is_seen(kube, name), what="the registrations to be in effect")
        yield
    finally:
        named = [injector.configuration for injector in injectors]
        kube.run("delete", "mutatingwebhookconfiguration", "--ignore-not-found", *named)


def _is_seen(kube: Kube, namespace: str) -> bool:
    kube.create(pod("probe", {}), namespace=namespace)
    labels = kube.get("pod", "probe", namespace)["metadata"].get("labels") or {}
    kube.delete("pod", "probe", namespace, now=True)
    return LABEL in labels
