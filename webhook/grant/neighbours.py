"""Violations by the other parts of a Pod: its volumes, other containers and namespaces. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sidecar.contract.words import TOKEN_AUDIENCE
from webhook import names
from webhook.errors import Problem
from webhook.grant.reasons import ViolationReason

_VISIBLE = "other containers could see the sidecar's process"
_SHARED = {
    "hostNetwork": (ViolationReason.HOST_NETWORK, "the proxy would serve the whole node"),
    "hostPID": (ViolationReason.HOST_PID, _VISIBLE),
    "shareProcessNamespace": (ViolationReason.SHARE_PROCESS_NAMESPACE, _VISIBLE),
}


def surrounding_violations(spec: Mapping[str, Any], served: Collection[str] = ()) -> Iterator[Problem]:
    """`served` are the names of the volumes into which the sidecar writes files beside its own."""
    for field, (reason, consequence) in _SHARED.items():
        if spec.get(field):
            yield Problem(reason, f"{field} is set: {consequence}")
    yield from _volume_violations(spec, served)
    for container in _others(spec):
        yield from _neighbour_violations(container, {names.CONFIG_VOLUME, *served})
    for container in mappings(spec.get("ephemeralContainers")):
        if container.get("targetContainerName") == names.SIDECAR:
            sentence = f"ephemeral container {container.get('name')} targets {names.SIDECAR}"
            yield Problem(
                ViolationReason.EPHEMERAL_CONTAINER_TARGETS_SIDECAR,
                f"{sentence}: it could see the sidecar's process",
            )


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list. Empty for any other value; entries that are no objects are left out."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _others(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every container but our sidecar, which is among the init containers."""
    for container in mappings(spec.get("initContainers")):
        if container.get("name") != names.SIDECAR:
            yield container
    for field in ("containers", "ephemeralContainers"):
        yield from mappings(spec.get(field))


def _volume_violations(spec: Mapping[str, Any], served: Collection[str]) -> Iterator[Problem]:
    volumes = {str(volume.get("name")): volume for volume in mappings(spec.get("volumes"))}
    token = volumes.pop(names.TOKEN_VOLUME, {})
    if not _is_our_token(token):
        sentence = f"volume {names.TOKEN_VOLUME} must project one token for {TOKEN_AUDIENCE} and nothing else"
        yield Problem(ViolationReason.TOKEN_VOLUME, sentence)
    for name in (names.CONFIG_VOLUME, names.EMPTY_VOLUME, *served):
        if set(volumes.get(name, {})) != {"name", "emptyDir"}:
            yield Problem(ViolationReason.CONFIG_VOLUME, f"volume {name} must be an emptyDir")
    for name, volume in volumes.items():
        if any(_audience(source) == TOKEN_AUDIENCE for source in _sources(volume)):
            sentence = f"volume {name} projects a token for {TOKEN_AUDIENCE}: only the sidecar may have it"
            yield Problem(ViolationReason.TOKEN_PROJECTED_ELSEWHERE, sentence)


def _is_our_token(volume: Mapping[str, Any]) -> bool:
    sources = _sources(volume)
    token = sources[0].get("serviceAccountToken") if len(sources) == 1 else None
    return (
        set(volume) == {"name", "projected"}
        and isinstance(token, Mapping)
        and set(sources[0]) == {"serviceAccountToken"}
        and token.get("audience") == TOKEN_AUDIENCE
        and token.get("path") == "token"
    )


def _sources(volume: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    projected = volume.get("projected")
    return mappings(projected.get("sources")) if isinstance(projected, Mapping) else []


def _audience(source: Mapping[str, Any]) -> object:
    token = source.get("serviceAccountToken")
    return token.get("audience") if isinstance(token, Mapping) else None


def _neighbour_violations(container: Mapping[str, Any], read_only: Collection[str]) -> Iterator[Problem]:
    name = container.get("name")
    if name == names.SIDECAR:
        yield Problem(ViolationReason.SIDECAR_NAME_TAKEN, f"a second container is called {names.SIDECAR}")
    for mount in mappings(container.get("volumeMounts")):
        if mount.get("name") == names.TOKEN_VOLUME:
            yield Problem(
                ViolationReason.TOKEN_MOUNTED_ELSEWHERE,
                f"container {name} mounts the volume {names.TOKEN_VOLUME}",
            )
        if mount.get("name") in read_only and mount.get("readOnly") is not True:
            sentence = f"container {name} mounts the volume {mount.get('name')}, and not read-only"
            yield Problem(ViolationReason.CONFIG_MOUNTED_WRITABLE, sentence)
