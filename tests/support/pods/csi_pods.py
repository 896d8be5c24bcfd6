"""Pods with CSI volumes, and admission's decision on them."""

import json
from collections.abc import Mapping
from typing import Any

from support.pods.isolation_edits import SETTINGS
from webhook import names
from webhook.connector.manifest import MaybeConnector, parse_connector
from webhook.grant.isolation import violations
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import Decision, decide
from webhook.pod.reasons import Reason

Pod = dict[str, Any]


def volume(name: str, connector: str = "pypi", configurations: str = "pipconf", **source: Any) -> Pod:
    attributes = {"connector.name": connector, "configuration.names": configurations}
    csi = {"driver": names.CSI_DRIVER, "readOnly": True, "volumeAttributes": attributes, **source}
    return {"name": name, "csi": csi}


def attributed(**attributes: str) -> Pod:
    named = {name.replace("_", "."): text for name, text in attributes.items()}
    return volume("v", volumeAttributes=named)


def pod_of(*volumes: Pod, mounted: bool = True, annotations: Mapping[str, str] | None = None) -> Pod:
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes if mounted]
    return {
        "metadata": {"name": "p", "namespace": "team", "annotations": dict(annotations or {})},
        "spec": {
            "containers": [{"name": "main", "volumeMounts": mounts}, {"name": "other"}],
            "volumes": list(volumes),
        },
    }


def lookup(key: ConnectorKey) -> MaybeConnector:
    spec = {"connectorClassName": "pypi", "address": "https://registry.example"}
    return parse_connector({"metadata": key._asdict(), "spec": spec})


def decision(pod: Pod, **options: Any) -> Decision:
    return decide(pod, namespace="team", lookup=lookup, settings=SETTINGS, **options)


def admitted(pod: Pod) -> Pod:
    """Also asserts what holds for each: a second pass changes nothing, and the broker is content."""
    made = decision(pod)
    assert made.reason is Reason.INJECTED, made.message
    assert made.pod is not None
    assert decision(made.pod).pod == made.pod
    assert violations(made.pod, settings=SETTINGS) == []
    return made.pod


def annotations(pod: Pod) -> Mapping[str, str]:
    found: Mapping[str, str] = pod["metadata"]["annotations"]
    return found


def files(pod: Pod) -> dict[str, dict[str, str]]:
    env = {one["name"]: one["value"] for one in pod["spec"]["initContainers"][0]["env"]}
    found: dict[str, dict[str, str]] = json.loads(env.get("SIDECAR_VOLUMES", "{}"))
    return found


def variables(pod: Pod, container: int = 0) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][container].get("env", [])}
