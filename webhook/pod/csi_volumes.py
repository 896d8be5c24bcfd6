"""Volumes of the reference system's CSI driver, which this product does not serve. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names


def unserved_volumes(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name of each such volume, and its connectors as the annotation would name them.

    The author writes them as free texts: `connector.name` and `connector.namespace`, or `connectors`.
    """
    volumes = (pod.get("spec") or {}).get("volumes") or []
    for volume in volumes if isinstance(volumes, list) else []:
        source = volume.get("csi") if isinstance(volume, Mapping) else None
        if isinstance(source, Mapping) and source.get("driver") == names.CSI_DRIVER:
            yield str(volume.get("name")), _connectors(source.get("volumeAttributes"))


def _connectors(attributes: object) -> str:
    fields = attributes if isinstance(attributes, Mapping) else {}
    namespace, name = fields.get("connector.namespace"), fields.get("connector.name")
    if name:
        return f"{namespace}/{name}" if namespace else str(name)
    return str(fields.get("connectors") or "NAME")
