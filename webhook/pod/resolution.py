"""A Pod's request as its annotations and its CSI volumes say it. Pure.

What the volumes ask for is resolved into annotations, which admission writes into the Pod: guards, broker and
a second pass read nothing else. An annotation of the author's stays as it is.

    volumes                                 annotations that are added
    pip: {pypi, pipconf}                    connector: team/pypi, configurations: pipconf,
    rc: {pypi, pypirc}, both in build         for both: pipconf,pypirc; containers: build; csi-volumes: {…}
    pip: {pypi, pipconf}, rc: {up, pypirc}  connector: team/pypi, publish-connector: team/up, …
    pip, beside the annotation connector    csi-volumes: {…}

Volumes of several connectors are no order of connectors: clients of one are never led to another.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from webhook import names
from webhook.errors import InputError, InvalidValue
from webhook.pod.csi_volumes import (
    VOLUMES_LIMIT,
    CsiVolume,
    driver_volumes,
    parse_volume,
    read_record,
    write_record,
)
from webhook.pod.reasons import Reason
from webhook.pod.request import CONTAINER_NAMES_LIMIT, Request, parse_annotations
from webhook.pod.shape import MIRROR_ANNOTATION, workload_containers
from webhook.problems import Problems

Annotations = Mapping[str, str]


def read_request(
    pod: Mapping[str, Any],
    *,
    annotations: Annotations,
    namespace: str,
    has_csi_driver: bool = False,
    inherited: Annotations | None = None,
) -> Request:
    """The request, with the annotations to write in `Request.resolved`. `InputError` with all problems.

    `annotations` are the Pod's own, and the `inherited` ones of its Namespace (`inheritance`). `namespace` is
    the admission request's: a Pod with a generated name may not carry its own yet. `has_csi_driver`: the
    cluster has a CSIDriver `names.CSI_DRIVER`, which then mounts such volumes.
    """
    if annotations.get(names.INJECT) == "false" or MIRROR_ANNOTATION in annotations:
        return parse_annotations(annotations, namespace=namespace, inherited=inherited)
    resolved = _resolved(pod, annotations, namespace, has_csi_driver)
    effective = {name: text for name, text in {**annotations, **resolved}.items() if text is not None}
    request = parse_annotations(effective, namespace=namespace, inherited=inherited)
    return replace(request, resolved=resolved)


def _resolved(
    pod: Mapping[str, Any], annotations: Annotations, namespace: str, has_csi_driver: bool
) -> dict[str, str | None]:
    """Annotations to write; None: to remove."""
    of_driver = list(driver_volumes(pod))
    left = [str(volume.get("name")) for volume in of_driver] if has_csi_driver else []
    served = _served(pod, [] if has_csi_driver else of_driver, annotations, namespace)
    if not served and not left:
        return {names.CSI_VOLUMES: None} if names.CSI_VOLUMES in annotations else {}
    result: dict[str, str | None] = {names.CSI_VOLUMES: write_record(served, left)}
    if served and names.CONNECTOR not in annotations:
        result |= {name: text for name, text in _asked(served, pod).items() if name not in annotations}
        if names.PYPIRC_CONFIGURATION not in annotations.get(
            names.CONFIGURATIONS, names.PYPIRC_CONFIGURATION
        ):
            result.pop(names.PUBLISH_CONNECTOR, None)  # the author wants no target but those of the volumes
    return result


def _served(
    pod: Mapping[str, Any],
    of_driver: Sequence[Mapping[str, Any]],
    annotations: Annotations,
    namespace: str,
) -> list[CsiVolume]:
    """Volumes of the driver, and those that an earlier pass has replaced, in the Pod's order."""
    recorded = {volume.name: volume for volume in _recorded(annotations, namespace)}
    asking = set(map(id, of_driver))  # thousands of volumes must not be compared with each other
    present = [
        volume
        for volume in _volumes(pod)
        if id(volume) in asking or (volume.get("name") in recorded and "emptyDir" in volume)
    ]
    if len(present) > VOLUMES_LIMIT:
        what = f"{len(present)} volumes are of the CSI driver {names.CSI_DRIVER}"
        raise InputError.of(Reason.INVALID_VOLUME, what, f"use {VOLUMES_LIMIT} at most")
    problems = Problems()
    counts = Counter(str(volume.get("name")) for volume in _volumes(pod))

    def parse(volume: Mapping[str, Any]) -> CsiVolume:
        if counts[str(volume.get("name"))] > 1:
            raise InvalidValue("has the name of another volume", "give each its own")
        return parse_volume(volume, namespace) if "csi" in volume else recorded[str(volume.get("name"))]

    parsed = [
        problems.read(
            parse, volume, place=f"volume {volume.get('name')}", reason=Reason.INVALID_VOLUME, default=None
        )
        for volume in present
    ]
    problems.raise_any()
    return [volume for volume in parsed if volume is not None]


def _volumes(pod: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (pod.get("spec") or {}).get("volumes") or []


def _recorded(annotations: Annotations, namespace: str) -> Sequence[CsiVolume]:
    try:
        return read_record(annotations.get(names.CSI_VOLUMES, "{}"), namespace)
    except InvalidValue as error:
        place = f"annotation {names.CSI_VOLUMES}"
        raise InputError.of(Reason.INVALID_ANNOTATION, f"{place} {error.what}", error.fix) from None


def _asked(served: Sequence[CsiVolume], pod: Mapping[str, Any]) -> dict[str, str]:
    """What a Pod asks for that names its connectors by volumes only."""
    index = next((volume for volume in served if volume.has_index), served[0])
    target = next((volume for volume in served if volume.has_pypirc), None)
    has_index = any(volume.has_index for volume in served)
    chosen = [*([names.PIPCONF_CONFIGURATION] if has_index else [])]
    chosen += [names.PYPIRC_CONFIGURATION] if target else []
    asked = {
        names.CONNECTOR: ",".join(map(str, index.connectors)),
        names.CONFIGURATIONS: ",".join(chosen),
    }
    if target and target.key != index.key:
        asked[names.PUBLISH_CONNECTOR] = str(target.key)
    mounting = _mounting(served, pod)
    if 0 < len(mounting) <= CONTAINER_NAMES_LIMIT:
        asked[names.CONTAINERS] = ",".join(mounting)
    return asked


def _mounting(served: Sequence[CsiVolume], pod: Mapping[str, Any]) -> list[str]:
    """The containers that mount such volumes. The others keep clients of their own choice."""
    volumes = {volume.name for volume in served}
    return [
        str(container.get("name"))
        for container in workload_containers(pod)
        if any(mount.get("name") in volumes for mount in container.get("volumeMounts") or [])
    ]
