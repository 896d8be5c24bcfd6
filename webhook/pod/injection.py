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
    connector: Connector,
) -> Injection:
    """`ports` has a port for each connector of the request, `resources` are the sidecar's. `connector` is the
    first, whose class has the files. `decision` has found no obstacle in the Pod."""
    result: Json = copy.deepcopy(dict(pod))
    urls = endpoints(request, ports, admits_extra_indexes=rule.value == "allow")
    rendered = class_files.configuration_files(connector, urls, own=request.own_configurations)
    files = {name: text for texts in rendered.configurations.values() for name, text in texts.items()}
    remarks = configure_workload(result, request, urls, rule, files)
    environment = sidecar_environment(request, files, ports, settings)
    lost = _put_sidecar(result, environment, resources, settings)
    _put_volumes(result)
    _add_pull_secrets(result, settings)
    message = _message(request, urls, ports)
    _mark(result, message, request)
    of_class = class_files.warnings(connector, rendered)
    warnings = [*([dropped.warning(lost)] if lost else []), *of_class, *remarks.warnings]
    return Injection(result, message, tuple(warnings), tuple(remarks.problems), lost)


def sidecar_environment(
    request: Request, files: Mapping[str, str], ports: Mapping[ConnectorKey, int], settings: Settings
) -> Environment:
    """The configuration of the sidecar: everything but its token."""
    return Environment(
        listeners=tuple(Listener(str(key), ports[key]) for key in request.keys),
        files=files,
        log_level=request.log_level,
        broker_url=settings.broker_url,
        broker_ca=join_bundle(settings.broker_ca),
        order=tuple(map(str, request.order)),
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


def _put_volumes(pod: Json) -> None:
    """Our volumes replace volumes of the same names in their places. Missing volumes come last."""
    missing = {volume["name"]: volume for volume in sidecar_volumes()}
    present = pod["spec"].get("volumes") or []
    replaced = [
        missing.pop(volume["name"], None) if volume.get("name") in _OUR_VOLUMES else volume
        for volume in present
    ]  # a second volume of the same name becomes None
    pod["spec"]["volumes"] = [volume for volume in replaced if volume is not None] + list(missing.values())


def _add_pull_secrets(pod: Json, settings: Settings) -> None:
    present = pod["spec"].get("imagePullSecrets") or []
    missing = [name for name in settings.pull_secrets if {"name": name} not in present]
    put(pod["spec"], "imagePullSecrets", [*present, *({"name": name} for name in missing)])


def let_through(pod: Mapping[str, Any], reason: Reason, message: str) -> Json:
    """A new Pod that only says why there is no sidecar: guard 4 lets a Pod with this decision pass."""
    result: Json = {**pod, "metadata": {**(pod.get("metadata") or {})}}
    _put_result(result, {}, {"decision": names.RESULT_SKIPPED, "reason": reason.value, "message": message})
    return result


def _put_result(pod: Json, inherited: Mapping[str, str], result: Mapping[str, Any]) -> None:
    metadata = pod["metadata"] = pod.get("metadata") or {}
    present = metadata.get("annotations") or {}
    metadata["annotations"] = {**present, **inherited, names.RESULT: json.dumps(result)}


def _mark(pod: Json, message: str, request: Request) -> None:
    result: Json = {"decision": "injected", "reason": Reason.INJECTED.value, "message": message}
    if request.inherited:
        result[names.RESULT_INHERITED] = list(request.inherited)
    if request.is_asked_by_namespace:
        result[names.RESULT_ASKED_BY] = names.ASKED_BY_NAMESPACE
    _put_result(pod, request.inherited, result)
    metadata = pod["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), names.INJECTED_LABEL: "true"}


def _message(request: Request, urls: Endpoints, ports: Mapping[ConnectorKey, int]) -> str:
    parts = [f"files in {CONFIG_DIR}"]
    if urls.index_url:
        first, *following = request.connectors
        parts.append(f"installs from {first} at {urls.index_url}")
        parts += (f"then from {key} at {index_url(ports[key])}" for key in following)
    parts += (f"uploads to {key} at {upload_url(ports[key])}" for key in request.publish_targets)
    return ", ".join(parts)
