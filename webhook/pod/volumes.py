"""The volumes that the sidecar serves in the driver's place: their files, and their mounts. Pure."""

import json
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from webhook import names
from webhook.clients.endpoints import Endpoints, check_url, index_url, upload_url
from webhook.connector.manifest import Connector
from webhook.errors import Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import class_files
from webhook.pod.csi_volumes import CsiVolume
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.shape import Json, workload_containers

_CONFIG_FILE = "PIP_CONFIG_FILE"


@dataclass(frozen=True, slots=True)
class ServedVolume:
    """A volume with the URLs of its connector, and the texts of its files."""

    asked: CsiVolume
    urls: Endpoints
    files: Mapping[str, str]


Served = Mapping[str, ServedVolume]
"""By the volume's name"""


@dataclass(frozen=True, slots=True)
class ServedVolumes:
    """All volumes of a Pod, and what is to be said about them."""

    volumes: dict[str, ServedVolume] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def serve_volumes(
    request: Request,
    ports: Mapping[ConnectorKey, int],
    connectors: Mapping[ConnectorKey, Connector],
    *,
    admits_extra_indexes: bool,
) -> ServedVolumes:
    """`ports` has a port for each connector of the request; the classes of `connectors` have the files."""
    served = ServedVolumes()
    for volume in request.volumes:
        urls, connector = _urls(volume, request, ports, admits_extra_indexes), connectors[volume.key]
        rendered = class_files.configuration_files(connector, urls, own=volume.configurations)
        known = rendered.configurations
        names_of_class = connector.connector_class.configuration_names
        served.problems.extend(_unserved(volume, request, known, names_of_class))
        served.warnings.extend(class_files.warnings(connector, rendered))
        texts = [known[name] for name in volume.configurations if name in known]
        files = {name: text for group in texts for name, text in group.items()}
        served.volumes[volume.name] = ServedVolume(volume, urls, files)
    size = len(json.dumps([dict(volume.files) for volume in served.volumes.values()]))
    if size > class_files.SIZE_LIMIT:
        what = f"the files of all CSI volumes have {size} bytes, more than a Pod can take"
        fix = f"name fewer configurations, {class_files.SIZE_LIMIT} bytes at most"
        served.problems.append(Problem(Reason.INVALID_VOLUME, what, fix))
    return served


def _urls(
    volume: CsiVolume, request: Request, ports: Mapping[ConnectorKey, int], admits_extra_indexes: bool
) -> Endpoints:
    port = ports[volume.key]
    # uv.toml of another volume has the publish target as well
    uploads = request.takes_uploads(volume.key)
    return Endpoints(
        index_url=index_url(port),
        upload_url=upload_url(port) if uploads else None,
        upload_check_url=check_url(port, is_followed=volume.key in request.order[:-1]) if uploads else None,
        admits_extra_indexes=admits_extra_indexes,
    )


def _unserved(
    volume: CsiVolume, request: Request, known: Collection[str], of_class: Collection[str]
) -> Iterator[Problem]:
    unknown = [name for name in volume.configurations if name not in known]
    if unknown:
        # a connector without a publish target has no `pypirc`; the name itself is known
        listed = ", ".join(sorted({*known, *of_class, names.PYPIRC_CONFIGURATION}))
        yield Problem(
            Reason.INVALID_VOLUME,
            f"volume {volume.name} names the configuration {', '.join(unknown)[:128]}; known are {listed}",
            "correct configuration.names",
        )
    if len(volume.connectors) > 1 and volume.has_index and volume.connectors != request.connectors:
        own, of_pod = (", ".join(map(str, keys)) for keys in (volume.connectors, request.connectors))
        yield Problem(
            Reason.INVALID_VOLUME,
            f"volume {volume.name} names {own}, and the Pod asks {of_pod}: a Pod has one order of connectors",
            "name one Connector in the volume, or the same list",
        )


def canonical_volume(name: str) -> Json:
    """In memory, so that the cluster autoscaler may remove the node. 1 MiB is arbitrary: the files hold some
    hundred bytes."""
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}


def mount_read_only(pod: Json, served: Collection[str]) -> None:
    """The driver's volumes are read-only, and an emptyDir is not: a container could lead the sidecar, which
    writes there, to other places."""
    for container in workload_containers(pod):
        for mount in container.get("volumeMounts") or []:
            if mount.get("name") in served and mount.get("readOnly") is not True:
                mount["readOnly"] = True


def mount_problems(pod: Mapping[str, Any], served: Served) -> Iterator[Problem]:
    """A subPath that no file has: the kubelet would make it a folder, silently."""
    for container in workload_containers(pod):
        for mount in container.get("volumeMounts") or []:
            volume = served.get(str(mount.get("name")))
            part = mount.get("subPathExpr") or mount.get("subPath")
            if volume and part and posixpath.normpath(part) not in (".", *volume.files):
                yield Problem(
                    Reason.INVALID_VOLUME,
                    f"container {container.get('name')} mounts {part!r} of volume {volume.asked.name}, which "
                    f"holds {', '.join(volume.files)}",
                    "correct the subPath, or the volume's configuration.names",
                )


def mounted_files(container: Mapping[str, Any], served: Served) -> dict[str, ServedVolume]:
    """Path in the container → the volume of the file there."""
    result: dict[str, ServedVolume] = {}
    for mount in container.get("volumeMounts") or []:
        volume, path = served.get(str(mount.get("name"))), str(mount.get("mountPath"))
        if volume is None:
            continue
        part = posixpath.normpath(mount.get("subPathExpr") or mount.get("subPath") or ".")
        paths = {path: part} if part in volume.files else {f"{path}/{name}": name for name in volume.files}
        result |= {posixpath.normpath(place): volume for place in paths}
    return result


def container_urls(files_there: Mapping[str, ServedVolume], own: str | None, urls: Endpoints) -> Endpoints:
    """The URLs for a container's variables: those of the Pod, unless all its volumes lead elsewhere.

    Variables win over files, so both must say the same. `own` is the author's file for pip, which decides.
    """
    volumes = list(files_there.values())
    indexes = [volume.urls.index_url for volume in volumes if volume.asked.has_index]
    chosen = files_there[posixpath.normpath(own)].urls.index_url if own else None
    if urls.index_url and (chosen or (indexes and urls.index_url not in indexes)):
        urls = replace(urls, index_url=chosen or indexes[0])
    targets = [volume.urls for volume in volumes if volume.asked.has_pypirc]
    if urls.upload_url and targets and urls.upload_url not in [target.upload_url for target in targets]:
        first = targets[0]
        urls = replace(urls, upload_url=first.upload_url, upload_check_url=first.upload_check_url)
    return urls


def own_config_file(env: Sequence[Mapping[str, Any]], files_there: Mapping[str, ServedVolume]) -> str | None:
    """The author's file for pip, where it is a file of such a volume: then pip asks the connector anyway."""
    value = next((entry.get("value") for entry in env if entry.get("name") == _CONFIG_FILE), None)
    volume = files_there.get(posixpath.normpath(value)) if isinstance(value, str) and value else None
    return str(value) if volume and volume.asked.has_index else None
