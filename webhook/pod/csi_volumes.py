"""Volumes of the CSI driver `names.CSI_DRIVER`: what their authors ask for, and the record of it. Pure.

An author writes the attributes below `csi.volumeAttributes`. Admission puts an emptyDir in the volume's
place, and records the attributes in the annotation `names.CSI_VOLUMES`, with full names. A second pass and
the broker read them there:

    {"pip": {"connectors": "team/pypi", "configuration.names": "pipconf"}}
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.connector.connector_class import CONFIGURATIONS_LIMIT
from webhook.connector.fields import as_mapping
from webhook.errors import InvalidValue
from webhook.identifiers import ConnectorKey, is_label

VOLUMES_LIMIT = 8
"""Arbitrary. Each costs a MiB of memory at most, and a mount in the sidecar, which guard 8 bounds."""
CONNECTORS_LIMIT = 16
"""Of one volume or annotation. Arbitrary: each costs a lookup in admission, and a socket in the sidecar."""

NAME, NAMESPACE, LIST, CONFIGURATIONS = (
    "connector.name",
    "connector.namespace",
    "connectors",
    "configuration.names",
)
_ATTRIBUTES = (NAME, NAMESPACE, LIST, CONFIGURATIONS)
_OURS = (names.CONFIG_VOLUME, names.TOKEN_VOLUME, names.EMPTY_VOLUME)
_DEFAULT_CONFIGURATIONS = f"{names.PIPCONF_CONFIGURATION},{names.PYPIRC_CONFIGURATION}"


@dataclass(frozen=True, slots=True)
class CsiVolume:
    """One volume, and the files that it should hold."""

    name: str
    connectors: tuple[ConnectorKey, ...]
    """The first is the index and the publish target; several are an order, as in the annotation"""
    configurations: tuple[str, ...]

    @property
    def key(self) -> ConnectorKey:
        return self.connectors[0]

    @property
    def has_pypirc(self) -> bool:
        return names.PYPIRC_CONFIGURATION in self.configurations

    @property
    def has_index(self) -> bool:
        """Whether a file of it names an index: every configuration but `pypirc` may."""
        return any(name != names.PYPIRC_CONFIGURATION for name in self.configurations)


def driver_volumes(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The volumes that name the driver: those that admission has not replaced."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    for volume in volumes if isinstance(volumes, list) else []:
        source = volume.get("csi") if isinstance(volume, Mapping) else None
        if isinstance(source, Mapping) and source.get("driver") == names.CSI_DRIVER:
            yield volume


def parse_volume(volume: Mapping[str, Any], namespace: str) -> CsiVolume:
    """A volume as its author writes it, in a Pod of this namespace. `InvalidValue` if it cannot be served."""
    source, name = as_mapping(volume.get("csi")), str(volume.get("name"))
    if name in _OURS:
        raise InvalidValue("has the name of a volume of the sidecar", "name it otherwise")
    further = [field for field in volume if field not in ("name", "csi") and volume[field] is not None]
    if further:
        raise InvalidValue(f"has {', '.join(further)} beside csi", "write one source for each volume")
    if source.get("readOnly") is False:
        raise InvalidValue("has csi.readOnly false, and it is read-only", "set csi.readOnly to true")
    unserved = [field for field in ("fsType", "nodePublishSecretRef") if source.get(field)]
    if unserved:
        raise InvalidValue(f"has csi.{' and csi.'.join(unserved)}, which has no meaning here", "remove it")
    return parse_attributes(name, as_mapping(source.get("volumeAttributes")), namespace)


def parse_attributes(name: str, attributes: Mapping[str, Any], namespace: str) -> CsiVolume:
    unknown = [attribute for attribute in attributes if attribute not in _ATTRIBUTES]
    if unknown:
        bare = unknown[0][:128]
        near = difflib.get_close_matches(bare, _ATTRIBUTES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_ATTRIBUTES)}"
        raise InvalidValue(f"has the attribute {bare!r}, which is not known", hint)
    if attributes.get(LIST) is not None and (NAME in attributes or NAMESPACE in attributes):
        raise InvalidValue(
            f"has the attribute {LIST} beside {NAME if NAME in attributes else NAMESPACE}",
            f"write {LIST} with a list of namespace/name, or {NAME} and {NAMESPACE}",
        )
    configurations = _members(attributes, CONFIGURATIONS, CONFIGURATIONS_LIMIT, _DEFAULT_CONFIGURATIONS)
    return CsiVolume(name, _connectors(attributes, namespace), configurations)


def _connectors(attributes: Mapping[str, Any], namespace: str) -> tuple[ConnectorKey, ...]:
    if LIST in attributes:
        members = _members(attributes, LIST, CONNECTORS_LIMIT)
        return tuple(dict.fromkeys(_connector(LIST, member, namespace) for member in members))
    name = attributes.get(NAME)
    if not name:
        raise InvalidValue(f"has no attribute {NAME}", "name the Connector there")
    if "/" in str(name):
        raise InvalidValue(f"has {NAME} {name!r}", f"write the namespace into {NAMESPACE}")
    own = attributes.get(NAMESPACE, namespace)
    if not is_label(str(own)):
        raise InvalidValue(f"has {NAMESPACE} {own!r}, which is no namespace", "correct it")
    return (_connector(NAME, str(name), str(own)),)


def _connector(attribute: str, text: str, namespace: str) -> ConnectorKey:
    try:
        return ConnectorKey.parse(text, default_namespace=namespace)
    except InvalidValue as error:
        raise InvalidValue(f"has the attribute {attribute}, which {error.what}", error.fix) from None


def _members(attributes: Mapping[str, Any], attribute: str, limit: int, default: str = "") -> tuple[str, ...]:
    text = str(attributes.get(attribute, default))
    members = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if len(members) > limit:
        raise InvalidValue(f"names {len(members)} in {attribute}; at most {limit} are allowed")
    if not all(members):
        raise InvalidValue(f"has the attribute {attribute} with an empty member", "correct the list")
    return members


def read_record(text: str, namespace: str) -> tuple[CsiVolume, ...]:
    """The volumes in the annotation, without those that are left to the driver."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        raise InvalidValue("is written by admission alone", "remove it")
    served = {name: entry for name, entry in entries.items() if entry != names.LEFT_TO_DRIVER}
    if len(served) > VOLUMES_LIMIT:
        raise InvalidValue(f"is written by admission alone: {len(served)} volumes", "remove it")
    volumes = []
    for name, entry in served.items():
        if not is_label(name) or name in _OURS or not isinstance(entry, dict):
            raise InvalidValue("is written by admission alone", "remove it")
        try:
            volumes.append(parse_attributes(name, entry, namespace))
        except InvalidValue as error:
            raise InvalidValue(f"is written by admission alone: volume {name} {error.what}") from None
    return tuple(volumes)


def write_record(served: Sequence[CsiVolume], left: Sequence[str]) -> str:
    attributes: dict[str, Any] = {
        volume.name: {
            LIST: ",".join(map(str, volume.connectors)),
            CONFIGURATIONS: ",".join(volume.configurations),
        }
        for volume in served
    }
    return json.dumps(attributes | dict.fromkeys(left, names.LEFT_TO_DRIVER))
