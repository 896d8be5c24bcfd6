"""What `explain` goes by: Pods, Connectors, Events and log lines, as their authors write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from certs.authority import create_authority
from webhook import names
from webhook.connectors import parse_connector
from webhook.controller.conditions import Observed, Probe, conditions
from webhook.decide import decide
from webhook.errors import Problem
from webhook.explain.facts import Facts
from webhook.settings import Settings

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
SETTINGS = Settings(
    sidecar_image="registry.example/pypi-connector-sidecar:0.1.0",
    allowed_images=("registry.example/pypi-connector-sidecar:0.1.0",),
    broker_ca=(create_authority(datetime.now(UTC)).certificate,),
)

Json = dict[str, Any]


def time(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def connector(name: str = "pypi", namespace: str = "team", **params: str) -> Json:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": name, "namespace": namespace, "generation": 2},
        "spec": {
            "connectorClassName": "pypi",
            "address": f"https://{name}.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def observed(
    one: Json, probe: Probe | None = None, problems: tuple[Problem, ...] = (), generation: int = 2
) -> Json:
    """With the status that the controller writes."""
    seen = Observed(
        problems, has_secret=True, has_ca=False, probe=probe, proxy_url="http://127.0.0.1:1/simple/"
    )
    found = [
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "observedGeneration": generation,
        }
        for one in conditions(seen)
    ]
    return {**one, "status": {"conditions": found, "observedGeneration": generation}}


OK = Probe("ok", "status code 200")
READY = observed(connector(), OK)
SHARED = observed(connector(namespace="shared"), OK)


def bare(**annotations: str) -> Json:
    """As a person writes it; the name of a variable is that of the annotation."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "build-7",
            "namespace": "team",
            "uid": "u-1",
            "creationTimestamp": time(300),
            "annotations": {
                f"{names.GROUP}/{key.replace('_', '-')}": text for key, text in annotations.items()
            },
        },
        "spec": {"containers": [{"name": "main", "image": "python"}], "serviceAccountName": "builder"},
        "status": {"phase": "Running"},
    }


def injected(
    *, state: Json | None = None, last: Json | None = None, restarts: int = 0, **annotations: str
) -> Json:
    """As admission leaves it, with the state of its sidecar."""

    def lookup(key: str) -> Any:
        namespace, name = key.split("/")
        return parse_connector(connector(name, namespace))

    decision = decide(
        bare(**{"connector": "pypi", **annotations}), namespace="team", lookup=lookup, settings=SETTINGS
    )
    assert decision.pod, decision.message
    status = {
        "name": names.SIDECAR,
        "restartCount": restarts,
        "started": True,
        "state": state or {"running": {"startedAt": time(290)}},
        "lastState": last or {},
    }
    return {**decision.pod, "status": {"phase": "Running", "initContainerStatuses": [status]}}


def event(reason: str, text: str, seconds_ago: float = 60, count: int = 1, key: str = "team/pypi") -> Json:
    """As the broker writes it."""
    namespace, name = key.split("/")
    return {
        "type": "Normal" if reason == "Granted" else "Warning",
        "reason": reason,
        "message": f"Connector {key}: {text}",
        "count": count,
        "lastTimestamp": time(seconds_ago),
        "source": {"component": "pypi-connector"},
        "related": {"kind": "Connector", "namespace": namespace, "name": name},
    }


def kubelet(reason: str, message: str) -> Json:
    source = {"component": "kubelet"}
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": time(20),
        "source": source,
    }


def line(seconds_ago: float, *, key: str = "team/pypi", status: int = 200, **fields: Any) -> Json:
    """As the sidecar logs a request."""
    common = {"message": "request", "connector": key, "method": "GET", "status": status}
    return {"time": time(seconds_ago), **common, "action": "file", **fields}


def phase(pod: Json, phase: str) -> Json:
    return {**pod, "status": {**pod["status"], "phase": phase}}


GRANTED = event("Granted", "install and upload")
SERVED = [line(50, action="index", package="flask"), line(49, file="flask-3.0-py3-none-any.whl")]

UNREACHABLE = {
    "status": 503,
    "action": None,
    "reason": "broker-unreachable",
    "detail": "no grant yet: the broker cannot be reached: cannot connect to https://pypi-connector-broker."
    "pypi-connector-system.svc: connection refused",
}


def facts(pod: Json | None, **fields: Any) -> Facts:
    defaults: Json = {
        "events": [GRANTED],
        "log": SERVED,
        "connectors": {"team/pypi": READY},
        "registration": {"metadata": {"creationTimestamp": time(9000)}},
        "broker": {"status": {"readyReplicas": 2}},
    }
    name = "build-7" if fields.get("workload") is None else fields["workload"]["metadata"]["name"]
    return Facts("team", name, NOW, pod, **{**defaults, **fields})


def fresh(pod: Json, **fields: Any) -> Facts:
    """Nothing has been asked for yet."""
    return facts(pod, **{"events": [], "log": [], **fields})
