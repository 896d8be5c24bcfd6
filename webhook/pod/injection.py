"""The injected Pod: sidecar first, volumes, and a configured workload. Pure.

Two laws. Injection never alters foreign parts of a Pod, but volumes of the CSI driver and their mounts, which
it serves. Each pass writes our own parts in canonical form, so a second pass changes nothing: Kubernetes may
call a webhook several times.
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
from webhook.clients.endpoints import Endpoints, index_url, upload_url
from webhook.connector.manifest import Connector
from webhook.errors import Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import class_files, dropped
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
    connectors: Mapping[ConnectorKey, Connector],
) -> Injection:
    """`ports` has a port for each connector of the request, `resources` are the sidecar's. `connectors`
    has each of them; the class of the first has the files. `decision` has found no obstacle in the Pod."""
    result: Json = copy.deepcopy(dict(pod))
    urls = endpoints(request, ports, admits_extra_indexes=rule.value == "allow")
    connector = connectors[request.connectors[0]]
    rendered = class_files.configuration_files(connector, urls, own=request.own_configurations)
    files = {name: text for texts in rendered.configurations.values() for name, text in texts.items()}
    served = serve_volumes(request, ports, connectors, admits_extra_indexes=rule.value == "allow")
    problems = [*served.problems, *mount_problems(result, served.volumes)]
    mount_read_only(result, served.volumes)
    remarks = configure_workload(result, request, urls, rule, files, served.volumes)
    environment = sidecar_environment(request, files, ports, settings, served.volumes)
    lost = _put_sidecar(result, environment, resources, settings)
    _put_volumes(result, served.volumes)
    _add_pull_secrets(result, settings)
    message = _message(request, urls, ports, served.volumes)
    _mark(result, message, request)
    of_class = [*class_files.warnings(connector, rendered), *served.warnings]
    warnings = [*([dropped.warning(lost)] if lost else []), *of_class, *remarks.warnings]
    return Injection(result, message, tuple(warnings), (*problems, *remarks.problems), lost)


def sidecar_environment(
    request: Request,
    files: Mapping[str, str],
    ports: Mapping[ConnectorKey, int],
    settings: Settings,
    served: Served,
) -> Environment:
    """The configuration of the sidecar: everything but its token."""
    return Environment(
        listeners=tuple(Listener(str(key), ports[key]) for key in request.keys),
        files=files,
        log_level=request.log_level,
        broker_url=settings.broker_url,
        broker_ca=join_bundle(settings.broker_ca),
        order=tuple(map(str, request.order)),
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


def let_through(pod: Mapping[str, Any], request: Request, reason: Reason, message: str) -> Json:
    """A new Pod that only says why there is no sidecar: guard 4 lets a Pod with this decision pass."""
    result: Json = {**pod, "metadata": {**(pod.get("metadata") or {})}}
    left = {name: request.resolved[name] for name in (names.CSI_VOLUMES,) if name in request.resolved}
    marks = {"decision": names.RESULT_SKIPPED, "reason": reason.value, "message": message}
    _put_annotations(result, {**left, names.RESULT: json.dumps(marks)})
    return result


def left_to_driver(pod: Mapping[str, Any], request: Request) -> Json:
    """A new Pod that only says which volumes are the driver's: guard 4 looks for that."""
    result: Json = {**pod, "metadata": {**(pod.get("metadata") or {})}}
    _put_annotations(result, request.resolved)
    return result


def _put_annotations(pod: Json, written: Mapping[str, str | None]) -> None:
    metadata = pod["metadata"] = pod.get("metadata") or {}
    merged = {**(metadata.get("annotations") or {}), **written}
    metadata["annotations"] = {name: text for name, text in merged.items() if text is not None}


def _mark(pod: Json, message: str, request: Request) -> None:
    result: Json = {"decision": "injected", "reason": Reason.INJECTED.value, "message": message}
    if request.inherited:
        result[names.RESULT_INHERITED] = list(request.inherited)
    if request.is_asked_by_namespace:
        result[names.RESULT_ASKED_BY] = names.ASKED_BY_NAMESPACE
    _put_annotations(pod, {**request.inherited, **request.resolved, names.RESULT: json.dumps(result)})
    metadata = pod["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), names.INJECTED_LABEL: "true"}


def _message(request: Request, urls: Endpoints, ports: Mapping[ConnectorKey, int], served: Served) -> str:
    parts = [f"files in {', '.join([CONFIG_DIR, *(f'volume {name}' for name in served)])}"]
    if urls.index_url:
        first, *following = request.connectors
        parts.append(f"installs from {first} at {urls.index_url}")
        parts += (f"then from {key} at {index_url(ports[key])}" for key in following)
    parts += (f"uploads to {key} at {upload_url(ports[key])}" for key in request.publish_targets)
    return ", ".join(parts)
