"""Volumes of the reference system's CSI driver: this product serves the annotation instead. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names


def unserved_volumes(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each such volume's name, and the connectors that it asks for as the annotation would say them.

    Attributes are the author's free texts: `connector.name` and `connector.namespace`, or `connectors`.
    """
    volumes = (pod.get("spec") or {}).get("volumes") or []
    for volume in volumes if isinstance(volumes, list) else []:
        source = volume.get("csi") if isinstance(volume, Mapping) else None
        if isinstance(source, Mapping) and source.get("driver") == names.CSI_DRIVER:
            yield str(volume.get("name")), _asked_for(source.get("volumeAttributes"))


def _asked_for(attributes: object) -> str:
    found = attributes if isinstance(attributes, Mapping) else {}
    namespace, name = found.get("connector.namespace"), found.get("connector.name")
    if name:
        return f"{namespace}/{name}" if namespace else str(name)
    return str(found.get("connectors") or "NAME")
