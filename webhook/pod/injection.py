"""The injected Pod: sidecar first, volumes, and the workload's mounts and variables. Pure.

The law: never alter what is not ours; what is ours is made canonical on every pass. So a second pass, of
which Kubernetes promises none or several, changes nothing.
"""

import copy
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from certs.bundle import join_bundle
from sidecar.contract.environment import Environment, Listener
from sidecar.contract.words import CONFIG_DIR
from webhook import names
from webhook.clients import files, no_proxy, variables
from webhook.clients.endpoints import Endpoints
from webhook.identifiers import ConnectorKey
from webhook.pod import mounts
from webhook.pod.endpoints import endpoints
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.resources import sidecar_resources
from webhook.pod.settings import Settings
from webhook.pod.shape import Json, containers
from webhook.pod.sidecar import repaired, sidecar_container, sidecar_volumes


@dataclass(frozen=True, slots=True)
class Injection:
    """A new Pod; the one that came in is left as it was."""

    pod: Json
    message: str
    warnings: tuple[str, ...]


def inject(
    pod: Mapping[str, Any],
    *,
    request: Request,
    ports: Mapping[ConnectorKey, int],
    settings: Settings,
    quotas: Collection[str] = (),
) -> Injection:
    """`ports` holds every connector of the request. `decision` has checked that the Pod may be served."""
    result: Json = copy.deepcopy(dict(pod))
    told = endpoints(request, ports)
    warnings = _workload(result, request, told)
    resources = sidecar_resources(request.resources, pod, quotas)
    _sidecar(result, sidecar_environment(request, told, ports, settings), resources, settings)
    _volumes(result)
    _pull_secrets(result, settings)
    message = _message(request, told)
    _marks(result, message)
    return Injection(result, message, tuple(warnings))


def sidecar_environment(
    request: Request, told: Endpoints, ports: Mapping[ConnectorKey, int], settings: Settings
) -> Environment:
    """What the sidecar is told; everything but the token lies in it."""
    return Environment(
        listeners=tuple(Listener(str(key), ports[key]) for key in request.keys),
        files=files.files(told),
        log_level=request.log_level,
        broker_url=settings.broker_url,
        broker_ca=join_bundle(settings.broker_ca),
    )


def _workload(pod: Json, request: Request, told: Endpoints) -> list[str]:
    """Mounts and variables; a container that is not selected loses those of an earlier pass."""
    warnings = []
    wanted = variables.groups(told)
    for container in containers(pod):
        if container.get("name") == names.SIDECAR:
            continue
        env, present = container.get("env") or [], container.get("volumeMounts") or []
        if not request.selects(container.get("name", "")):
            _put(container, "env", variables.apply(env, {})[0])
            _put(container, "volumeMounts", mounts.without_mounts(present))
            continue
        env, theirs = variables.apply(env, wanted)
        env, opaque = no_proxy.bypass_loopback(env)
        present, skipped = mounts.with_mounts(present, files.files(told))
        _put(container, "env", env)
        _put(container, "volumeMounts", present)
        warnings += _warnings(container.get("name", ""), theirs, opaque, skipped)
    return warnings


def _warnings(container: str, theirs: list[str], opaque: list[str], skipped: list[str]) -> list[str]:
    found = []
    if theirs:
        found.append(
            f"container {container} sets {', '.join(theirs)} itself: "
            "these clients are left to its own settings"
        )
    if opaque:
        found.append(
            f"container {container}: {', '.join(opaque)} comes from a reference and cannot be extended: "
            "add 127.0.0.1 to it, or clients ask the proxy for the connector"
        )
    if skipped:
        found.append(
            f"container {container}: mounts its own volume at or above {', '.join(skipped)}; clients "
            "that see no environment (sudo, env -i) do not find the connector there"
        )
    return found


def _sidecar(
    pod: Json, environment: Environment, resources: Mapping[str, Mapping[str, str]], settings: Settings
) -> None:
    spec = pod["spec"]
    initial = spec.get("initContainers") or []
    canonical = sidecar_container(
        environment,
        image=settings.sidecar_image,
        resources=resources,
        is_root_pod=(spec.get("securityContext") or {}).get("runAsUser") == 0,
    )
    present = next((one for one in initial if one.get("name") == names.SIDECAR), None)
    ours = repaired(canonical, present, settings) if present else canonical
    spec["initContainers"] = [ours, *(one for one in initial if one.get("name") != names.SIDECAR)]


def _volumes(pod: Json) -> None:
    ours = {volume["name"]: volume for volume in sidecar_volumes()}
    present = pod["spec"].get("volumes") or []
    kept = [ours.pop(one["name"], None) if one.get("name") in _VOLUMES else one for one in present]
    pod["spec"]["volumes"] = [one for one in kept if one is not None] + list(ours.values())


_VOLUMES = frozenset(volume["name"] for volume in sidecar_volumes())


def _pull_secrets(pod: Json, settings: Settings) -> None:
    present = pod["spec"].get("imagePullSecrets") or []
    missing = [name for name in settings.pull_secrets if {"name": name} not in present]
    _put(pod["spec"], "imagePullSecrets", [*present, *({"name": name} for name in missing)])


def _marks(pod: Json, message: str) -> None:
    result = {"decision": "injected", "reason": Reason.INJECTED.value, "message": message}
    metadata = pod["metadata"]
    metadata["annotations"] = {**metadata["annotations"], names.RESULT: json.dumps(result)}
    metadata["labels"] = {**(metadata.get("labels") or {}), names.INJECTED_LABEL: "true"}


def _message(request: Request, told: Endpoints) -> str:
    parts = [f"files in {CONFIG_DIR}"]
    if told.index_url:
        parts.append(f"installs from {request.connectors[0]} at {told.index_url}")
    if told.upload_url:
        parts.append(f"uploads to {request.publish_target} at {told.upload_url}")
    return ", ".join(parts)


def _put(container: Json, field: str, items: list[Any]) -> None:
    """An empty list is not written where there was none: it would be a change without a meaning."""
    if items or container.get(field):
        container[field] = items
