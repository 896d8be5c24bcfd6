"""The parts of the scenarios on a node: registries, Connectors to them, and Jobs that use them.

Manifests are like a user's. Each scenario writes out the fields that it is about.
"""

import calendar
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from subprocess import CompletedProcess
from typing import Any

from certs.authority import KeyPair, issue_leaf
from support.kubernetes.kube import Kube
from webhook import names

WORKLOAD = "docker.io/pypi-connector-tests/workload:1"
REGISTRY = "docker.io/pypi-connector-tests/registry:1"
USERNAME = "ci-robot"
CANARY = "canary-"
"""Every password begins so: what is not to be seen anywhere is searched for by it."""

READY_SECONDS = 120.0
"""For a registry's start (devpi builds its indexes) and for Jobs; only failures wait so long."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry of the cluster, reached at `address` from any Pod."""

    kube: Kube = field(repr=False)
    namespace: str
    name: str
    address: str
    password: str = field(repr=False)
    """Empty: anonymous"""
    ca: str | None = None

    @property
    def index_path(self) -> str | None:
        return "+simple/" if "/root/" in self.address else None

    def set_password(self, password: str) -> None:
        """As an administrator would. A mounted Secret follows within a minute, or at once in a new Pod."""
        self.kube.apply(basic_auth("credential", password), namespace=self.namespace)
        self.kube.run("rollout", "restart", f"deployment/{self.name}", "-n", self.namespace)
        self.kube.run(
            "rollout", "status", f"deployment/{self.name}", "-n", self.namespace, timeout=READY_SECONDS
        )

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """401 to everything, as while its directory of users is away."""
        self._exec("touch /data/refuse")
        try:
            yield
        finally:
            self._exec("rm -f /data/refuse")

    def _exec(self, script: str) -> None:
        self.kube.run("exec", f"deployment/{self.name}", "-n", self.namespace, "--", "sh", "-ec", script)

    def requests(self) -> list[str]:
        """Its access log, a line each."""
        return self.kube.run("logs", f"deployment/{self.name}", "-n", self.namespace).stdout.splitlines()


def new_password() -> str:
    return CANARY + secrets.token_urlsafe(18)


def deploy_registry(
    kube: Kube,
    namespace: str,
    *,
    kind: str = "pypiserver",
    name: str = "registry",
    password: str | None = None,
    authority: KeyPair | None = None,
    issue: Callable[[KeyPair, Sequence[str], datetime], KeyPair] = issue_leaf,
) -> Registry:
    """Deploy a registry and wait. `password` None: a new password; empty: anonymous. `authority`: https."""
    chosen = new_password() if password is None else password
    host = f"{name}.{namespace}.svc"
    environment = [{"name": "KIND", "value": kind}]
    volumes: list[Manifest] = []
    objects: list[Manifest] = []
    if chosen:
        objects.append(basic_auth("credential", chosen))
        volumes.append({"name": "credential", "secret": {"secretName": "credential"}})
        environment.append({"name": "CREDENTIALS", "value": "/etc/credential"})
    if authority:
        leaf = issue(authority, [host], datetime.now(UTC))
        pair = {"tls.crt": leaf.certificate, "tls.key": leaf.key}
        objects.append(
            {**_object("v1", "Secret", f"{name}-tls"), "type": "kubernetes.io/tls", "stringData": pair}
        )
        volumes.append({"name": "tls", "secret": {"secretName": f"{name}-tls"}})
        environment.append({"name": "TLS", "value": "/etc/tls"})
    container = {
        "name": "registry",
        "image": REGISTRY,
        "env": environment,
        "volumeMounts": [{"name": one["name"], "mountPath": f"/etc/{one['name']}"} for one in volumes],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    objects.append({**_object("apps/v1", "Deployment", name), "spec": spec})
    ports = [{"port": 443 if authority else 80, "targetPort": 8080}]
    objects.append({**_object("v1", "Service", name), "spec": {"selector": labels, "ports": ports}})
    kube.apply(*objects, namespace=namespace)
    kube.run("rollout", "status", f"deployment/{name}", "-n", namespace, timeout=READY_SECONDS)
    path = "/root/team/" if kind == "devpi" else ""
    address = f"{'https' if authority else 'http'}://{host}{path}"
    return Registry(kube, namespace, name, address, chosen, authority.certificate if authority else None)


def basic_auth(name: str, password: str, username: str = USERNAME) -> Manifest:
    data = {"username": username, "password": password}
    return {**_object("v1", "Secret", name), "type": names.SECRET_TYPE, "stringData": data}


def connector(name: str, registry: Registry, **parameters: str) -> list[Manifest]:
    """A Connector with the Secrets that it names: `<name>` for the credential, `<name>-ca` for the CA."""
    objects: list[Manifest] = []
    spec: Manifest = {"connectorClassName": names.CONNECTOR_CLASS, "address": registry.address}
    if registry.password:
        objects.append(basic_auth(name, registry.password))
        spec["auth"] = {"name": names.AUTH_NAME, "secretRef": {"name": name}}
        if registry.address.startswith("http://"):
            parameters = {"allowInsecureHTTP": "true", **parameters}
    if registry.ca:
        objects.append({**_object("v1", "Secret", f"{name}-ca"), "stringData": {"ca.crt": registry.ca}})
        spec["caCertSecretRef"] = {"name": f"{name}-ca"}
    if registry.index_path:
        parameters = {"indexPath": registry.index_path, **parameters}
    spec["params"] = [{"name": key, "value": value} for key, value in parameters.items()]
    return [*objects, {**_object(names.API_VERSION, "Connector", name), "spec": spec}]


def pod_template(
    script: str, connector_name: str | None, *, annotations: Mapping[str, str] | None = None, **spec: Any
) -> Manifest:
    """A Pod's metadata and spec: one container `main` that runs the script; `spec` adds to the Pod's."""
    chosen = {names.CONNECTOR: connector_name} if connector_name else {}
    main = {"name": "main", "image": WORKLOAD, "command": ["sh", "-exc", script]}
    return {
        "metadata": {"annotations": {**chosen, **(annotations or {})}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 30, "containers": [main], **spec},
    }


def pod(name: str, script: str, connector_name: str | None, **options: Any) -> Manifest:
    template = pod_template(script, connector_name, **options)
    template["metadata"]["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", **template}


def job(name: str, script: str, connector_name: str | None, **options: Any) -> Manifest:
    template = pod_template(script, connector_name, **options)
    spec = {"backoffLimit": 0, "template": template}
    return {**_object("batch/v1", "Job", name), "spec": spec}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A Job that ended, and its one Pod."""

    succeeded: bool
    pod: Manifest
    log: str
    """Of the container `main`"""
    sidecar_log: str

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])


def run_job(kube: Kube, namespace: str, manifest: Manifest, *, seconds: float = READY_SECONDS) -> Outcome:
    """Create it and wait until it is complete or has failed."""
    kube.create(manifest, namespace=namespace)
    name = manifest["metadata"]["name"]
    return finished_job(kube, namespace, name, seconds=seconds)


def finished_job(kube: Kube, namespace: str, name: str, *, seconds: float = READY_SECONDS) -> Outcome:
    def ended() -> bool | None:
        status = kube.get("job", name, namespace).get("status") or {}
        kinds = {one["type"] for one in status.get("conditions") or [] if one["status"] == "True"}
        return True if kinds & {"Complete", "Failed"} else None

    try:
        kube.wait_for(ended, seconds=seconds, what=f"Job {name} to end")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(kube, namespace)}") from None
    pods = kube.list("pods", namespace, selector=f"job-name={name}")
    assert len(pods) == 1, f"Job {name} has {len(pods)} Pods\n{describe(kube, namespace)}"
    found = pods[0]
    pod_name = found["metadata"]["name"]
    sidecar = ""
    if any(one["name"] == names.SIDECAR for one in found["spec"].get("initContainers") or []):
        sidecar = kube.logs(pod_name, namespace, names.SIDECAR)
    log = kube.logs(pod_name, namespace, "main")
    return Outcome(found["status"]["phase"] == "Succeeded", found, log, sidecar)


def wait_for_phase(
    kube: Kube, namespace: str, name: str, *phases: str, seconds: float = READY_SECONDS
) -> Manifest:
    """The Pod, once it is in one of the phases."""

    def reached() -> Manifest | None:
        found = kube.get("pod", name, namespace)
        return found if found["status"].get("phase") in phases else None

    try:
        return kube.wait_for(reached, seconds=seconds, what=f"Pod {name} to be {' or '.join(phases)}")  # type: ignore[return-value]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(kube, namespace)}") from None


def run_in(
    kube: Kube, namespace: str, name: str, script: str, *, seconds: float = READY_SECONDS
) -> CompletedProcess[str]:
    """`kubectl exec` of the script in a running Pod's container `main`, however it ends."""
    inside = ["-c", "main", "--", "sh", "-exc", script]
    return kube.run("exec", name, "-n", namespace, *inside, check=False, timeout=seconds)


def container_status(pod_object: Mapping[str, Any], name: str) -> Manifest:
    status = pod_object["status"]
    known: Sequence[Manifest] = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    return next(one for one in known if one["name"] == name)


def sidecar_lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def unwrapped(text: str) -> str:
    """Without the line breaks that twine puts into a sentence at the terminal's width."""
    return " ".join(text.split())


def describe(kube: Kube, namespace: str) -> str:
    """Everything that a person would check after a failure."""
    parts = [
        kube.run("get", "all", "-n", namespace, "-o", "wide", check=False).stdout,
        kube.run("describe", "pods", "-n", namespace, check=False).stdout[-6000:],
        kube.run("get", "events", "-n", namespace, check=False).stdout[-4000:],
    ]
    for one in kube.list("pods", namespace):
        name = one["metadata"]["name"]
        logs = kube.run(
            "logs", name, "-n", namespace, "--all-containers", "--prefix", "--tail=40", check=False
        )
        parts.append(logs.stdout + logs.stderr)
    return "\n".join(parts)


def unix(timestamp: str) -> float:
    """A Kubernetes time (RFC 3339, whole seconds, UTC) in seconds since 1970."""
    return float(calendar.timegm(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ")))


def _object(api_version: str, kind: str, name: str) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
