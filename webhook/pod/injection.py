"""The injected Pod: sidecar first, volumes, and a configured workload. Pure.

Two laws. Injection never alters foreign parts of a Pod. Each pass writes our own parts in canonical form, so
a second pass changes nothing: Kubernetes may call a webhook several times.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from certs.bundle import join_bundle
from sidecar.contract.environment import Environment, Listener
from sidecar.contract.words import CONFIG_DIR
from webhook import names
from webhook.clients import files
from webhook.clients.endpoints import Endpoints
from webhook.errors import Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import dropped
from webhook.pod.endpoints import endpoints
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.settings import Settings
from webhook.pod.shape import Json
from webhook.pod.sidecar import repaired, sidecar_container, sidecar_volumes
from webhook.pod.volumes import (
    Served,
    canonical_volume,
    mount_problems,
    mount_read_only,
    serve_volumes,
)
from webhook.pod.workload import IndexRule, configure_workload, put

_OUR_VOLUMES = frozenset(volume["name"] for volume in sidecar_volumes())


@dataclass(frozen=True, slots=True)
class Injection:
    """A new Pod; the Pod that came in does not change."""

    pod: Json
    message: str
    warnings: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    """Why the Pod may not be admitted, in spite of it"""
    dropped: tuple[str, ...] = ()
    """Fields of our container that another webhook dropped, and that are restored"""


def inject(
    pod: Mapping[str, Any],
    *,
    request: Request,
    ports: Mapping[ConnectorKey, int],
    settings: Settings,
    rule: IndexRule,
    resources: Mapping[str, Mapping[str, str]],
) -> Injection:
    """`ports` has a port for each connector of the request, `resources` are the sidecar's. `decision` has
    found no obstacle in the Pod."""
    result: Json = copy.deepcopy(dict(pod))
    admits_extra_indexes = rule.value == "allow"
    urls = endpoints(request, ports, admits_extra_indexes=admits_extra_indexes)
    served, problems = serve_volumes(request, ports, admits_extra_indexes=admits_extra_indexes)
    problems += mount_problems(result, served)
    mount_read_only(result, served)
    remarks = configure_workload(result, request, urls, rule, served)
    environment = sidecar_environment(request, urls, ports, settings, served)
    lost = _put_sidecar(result, environment, resources, settings)
    _put_volumes(result, served)
    _add_pull_secrets(result, settings)
    message = _message(request, urls, served)
    _mark(result, request, message)
    warnings = [*([dropped.warning(lost)] if lost else []), *remarks.warnings]
    return Injection(result, message, tuple(warnings), (*problems, *remarks.problems), lost)


def sidecar_environment(
    request: Request,
    urls: Endpoints,
    ports: Mapping[ConnectorKey, int],
    settings: Settings,
    served: Served,
) -> Environment:
    """The configuration of the sidecar: everything but its token."""
    return Environment(
        listeners=tuple(Listener(str(key), ports[key]) for key in request.keys),
        files=files.files(urls),
        log_level=request.log_level,
        broker_url=settings.broker_url,
        broker_ca=join_bundle(settings.broker_ca),
        volumes={name: volume.files for name, volume in served.items()},
    )


def _put_sidecar(
    pod: Json, environment: Environment, resources: Mapping[str, Mapping[str, str]], settings: Settings
) -> tuple[str, ...]:
    """The fields that the present container has lost."""
    spec = pod["spec"]
    initial = spec.get("initContainers") or []
    canonical = sidecar_container(
        environment,
        image=settings.sidecar_image,
        resources=resources,
        is_root_pod=(spec.get("securityContext") or {}).get("runAsUser") == 0,
    )
    present = next((container for container in initial if container.get("name") == names.SIDECAR), None)
    volumes = spec.get("volumes") or []
    sidecar = repaired(canonical, present, volumes, settings) if present else canonical
    others = [container for container in initial if container.get("name") != names.SIDECAR]
    spec["initContainers"] = [sidecar, *others]
    return dropped.dropped_fields(canonical, present) if present else ()


def _put_volumes(pod: Json, served: Served) -> None:
    """Our volumes replace volumes of the same names in their places. Missing volumes come last.
    Served volumes stand in the driver's place, or are of an earlier pass."""
    missing = {volume["name"]: volume for volume in sidecar_volumes()}
    present = pod["spec"].get("volumes") or []
    replaced = [
        missing.pop(volume["name"], None)
        if volume.get("name") in _OUR_VOLUMES
        else canonical_volume(volume["name"])
        if volume.get("name") in served
        else volume
        for volume in present
    ]  # a second volume of the same name becomes None
    pod["spec"]["volumes"] = [volume for volume in replaced if volume is not None] + list(missing.values())


def _add_pull_secrets(pod: Json, settings: Settings) -> None:
    present = pod["spec"].get("imagePullSecrets") or []
    missing = [name for name in settings.pull_secrets if {"name": name} not in present]
    put(pod["spec"], "imagePullSecrets", [*present, *({"name": name} for name in missing)])


def _mark(pod: Json, request: Request, message: str) -> None:
    result = {"decision": "injected", "reason": Reason.INJECTED.value, "message": message}
    write_annotations(pod, request)
    metadata = pod["metadata"]
    metadata["annotations"][names.RESULT] = json.dumps(result)
    metadata["labels"] = {**(metadata.get("labels") or {}), names.INJECTED_LABEL: "true"}


def write_annotations(pod: Json, request: Request) -> None:
    """What the request has resolved, beside the annotations of the author."""
    metadata = pod["metadata"] = pod.get("metadata") or {}
    merged = {**(metadata.get("annotations") or {}), **request.resolved}
    metadata["annotations"] = {name: text for name, text in merged.items() if text is not None}


def _message(request: Request, urls: Endpoints, served: Served) -> str:
    parts = [f"files in {', '.join([CONFIG_DIR, *(f'volume {name}' for name in served)])}"]
    if urls.index_url:
        parts.append(f"installs from {request.connectors[0]} at {urls.index_url}")
    if urls.upload_url:
        parts.append(f"uploads to {request.publish_target} at {urls.upload_url}")
    return ", ".join(parts)
