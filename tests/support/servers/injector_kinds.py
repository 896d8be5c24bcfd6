"""The injectors of `tests/api/injectors`, in every order and style, and the Pod that they meet."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from support.components.admissions import pod
from support.kubernetes.kube import Kube
from support.servers.injectors import Injector
from webhook import names

INJECTORS = [
    Injector(*choices)
    for choices in itertools.product(
        ("before", "after"), ("Never", "IfNeeded"), ("difference", "whole"), ("none", "variable", "container")
    )
]
LAST_WORD = [one for one in INJECTORS if (one.order, one.reinvocation) == ("after", "IfNeeded")]
REPAIRED = [one for one in INJECTORS if one not in LAST_WORD]
API_SERVERS_WORDS = "lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always"
OUR_WORDS = (
    "Warning: another webhook, or the tool that copied this Pod, dropped restartPolicy from container "
    "pypi-connector; it is restored."
)


def title(value: object) -> str:
    """The id of a parametrised test."""
    return value.key if isinstance(value, Injector) else str(value)


def users_pod(connector: str, **annotations: str) -> dict[str, Any]:
    """With fields that the old models know, and some that they do not."""
    own = {"name": "own", "image": "own.example/sidecar:1", "env": [{"name": "OWN", "value": ""}]}
    setup = {"name": "setup", "image": "own.example/setup:1", "command": ["setup"]}
    return pod(
        annotations={names.CONNECTOR: connector, **annotations},
        initContainers=[setup, {**own, "restartPolicy": "Always"}],
        securityContext={"appArmorProfile": {"type": "Unconfined"}, "runAsUser": 1000},
    )


def created(kube: Kube, manifest: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """As the API server keeps it, but for the random end of a volume's name."""
    kube.create(manifest, namespace=namespace)
    kept = json.dumps(kube.get("pod", manifest["metadata"]["name"], namespace))
    kube.delete("pod", manifest["metadata"]["name"], namespace, now=True)
    comparable: dict[str, Any] = json.loads(re.sub(r"kube-api-access-\w+", "kube-api-access", kept))
    return comparable
