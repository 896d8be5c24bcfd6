"""The processes admission and broker on an API server alone, and crowds of Connectors."""

import base64
import contextlib
import json
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from certs.authority import ServingFiles, create_authority, issue_leaf
from certs.store import write_files
from support.components.brokers import install, kubeconfig_of
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from support.machine.ports import free_port
from support.machine.processes import peak_kib, resident_kib
from webhook import names
from webhook.cluster import paths

PATIENCE_SECONDS = 300.0
CREATORS = 6
"""Requests at once: what keeps an API server on two cores busy"""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Component:
    """One of the product's processes."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def peak_mib(self) -> float:
        return peak_kib(self.pid) / 1024

    @property
    def resident_mib(self) -> float:
        return resident_kib(self.pid) / 1024

    def lines(self, message: str) -> list[Json]:
        """Its log lines with this message."""
        whole = self.log.read_text().rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in found if line.get("message") == message]

    def is_synced(self) -> bool:
        """Whether it knows all Connectors."""
        return any(line.get("path") == paths.connectors() for line in self.lines("cache synced"))


@contextlib.contextmanager
def component(kind: str, kubeconfig: Path, folder: Path) -> Iterator[Component]:
    """`admission` or `broker`, with the rights of the ServiceAccount of `kubeconfig`."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority = create_authority(now)
    leaf = issue_leaf(authority, ["localhost"], now)
    write_files(folder / "tls", ServingFiles(authority.certificate, leaf.certificate, leaf.key))
    environment = clean(
        KUBECONFIG=str(kubeconfig),
        WEBHOOK_SIDECAR_IMAGE="registry.example/pypi-connector-sidecar:1",
        WEBHOOK_PORT=str(free_port()),
        WEBHOOK_TLS_DIR=str(folder / "tls"),
        WEBHOOK_POD_NAME=f"{kind}-{secrets.token_hex(2)}",
    )
    log = folder / "log"
    with log.open("wb") as file:
        popen = subprocess.Popen([sys.executable, "-m", "webhook", kind], env=environment, stderr=file)
    try:
        yield Component(popen, log)
    finally:
        popen.kill()
        popen.wait()


def prepare(kube: Kube, folder: Path) -> dict[str, Path]:
    """Kinds and rights, no guards: as before an upgrade. Component → its kubeconfig."""
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}})
    accounts = {"admission": names.ADMISSION, "broker": names.BROKER}
    for account in accounts.values():
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        kube.create(manifest, namespace=names.NAMESPACE)
    install(kube)
    return {kind: kubeconfig_of(kube, folder, names.NAMESPACE, account) for kind, account in accounts.items()}


def connector(name: str, annotation_bytes: int = 0) -> Json:
    """A Connector with an annotation of this size, and an address that is never probed."""
    noise = secrets.token_hex(annotation_bytes // 2)
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": name, "annotations": {"example.com/noise": noise}},
        "spec": {"connectorClassName": "pypi", "address": f"http://127.0.0.1:9/{name}"},
    }


def create_all(kube: Kube, namespace: str, manifests: Sequence[Callable[[], Json]]) -> None:
    """Create them in parallel; each manifest is built at its turn."""
    path = paths.connectors(namespace)
    with administrator(kube) as client, ThreadPoolExecutor(CREATORS) as creators:

        def create(manifest: Callable[[], Json]) -> None:
            answer = client.post(path, json=manifest())
            assert answer.is_success, answer.text

        for number, _ in enumerate(creators.map(create, manifests)):
            if number % 1000 == 999:
                print(f"{number + 1} Connectors", flush=True)  # noqa: T201


@contextlib.contextmanager
def administrator(kube: Kube) -> Iterator[httpx.Client]:
    """The API server over kept connections: kubectl would take a second for each object."""
    config = json.loads(kube.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    pem = {key: base64.b64decode(one) for key, one in {**cluster, **user}.items() if key.endswith("-data")}
    tls = ssl.create_default_context(cadata=pem["certificate-authority-data"].decode())
    with tempfile.NamedTemporaryFile() as pair:  # ssl reads key and certificate from files only
        pair.write(pem["client-certificate-data"] + b"\n" + pem["client-key-data"])
        pair.flush()
        tls.load_cert_chain(pair.name)
    with httpx.Client(base_url=cluster["server"], verify=tls, timeout=120, trust_env=False) as client:
        yield client


def until(condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def known(kube: Kube, namespace: str) -> int:
    """The number of Connectors with a condition. It reads a table, which holds no annotations."""
    columns = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    query = {"includeObject": "None", "limit": "500", "continue": ""}
    count = 0
    with administrator(kube) as client:
        while True:
            answer = client.get(paths.connectors(namespace), params=query, headers=columns)
            if not answer.is_success:  # too old to be continued, or too much at once: asked again
                return 0
            table = answer.json()
            reason = [one["name"] for one in table["columnDefinitions"]].index("Reason")
            count += sum(bool(row["cells"][reason]) for row in table["rows"] or [])
            query["continue"] = table["metadata"].get("continue") or ""
            if not query["continue"]:
                return count
