"""The parts of a Pod that are its author's: injection leaves them as they are."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from webhook import names
from webhook.pod.mounts import is_ours
from webhook.pod.shape import containers

CONSTANTS = {
    **dict.fromkeys(("TWINE_NON_INTERACTIVE", "VIRTUALENV_NO_PERIODIC_UPDATE"), "1"),
    **dict.fromkeys(("TWINE_REPOSITORY", "UV_PUBLISH_INDEX"), "connectors-pypi"),
    "PIP_EXTRA_INDEX_URL": " ",
    "PIP_FIND_LINKS": " ",
    "PIP_NO_INDEX": "0",
    "PIP_PROXY": "",
    "PIP_PYPI_URL": "",
    "UV_INDEX": "",
    "UV_EXTRA_INDEX_URL": "",
    "UV_FIND_LINKS": "",
}
OURS = (names.CONFIG_VOLUME, names.TOKEN_VOLUME, names.EMPTY_VOLUME)


def foreign(pod: Mapping[str, Any], of_author: Collection[str], served: Collection[str]) -> Iterator[object]:
    """All parts of a Pod that are not ours, in order. The driver's volumes are served by us."""
    metadata, spec = pod["metadata"], pod["spec"]
    yield {key: value for key, value in pod.items() if key not in ("metadata", "spec")}
    yield {key: value for key, value in metadata.items() if key not in ("annotations", "labels")}
    yield {key: text for key, text in metadata.get("annotations", {}).items() if key in of_author}
    yield {key: value for key, value in metadata.get("labels", {}).items() if key != names.INJECTED_LABEL}
    lists = ("containers", "initContainers", "volumes")
    yield {key: value for key, value in spec.items() if key not in lists}
    yield [volume for volume in spec.get("volumes", []) if volume["name"] not in (*OURS, *served)]
    for container in containers(pod):
        if container["name"] == names.SIDECAR:
            continue
        yield {key: value for key, value in container.items() if key not in ("env", "volumeMounts")}
        mounts = [mount for mount in container.get("volumeMounts", []) if not is_ours(mount)]
        yield [{**mount, "readOnly": True} if mount["name"] in served else mount for mount in mounts]
        env = [entry for entry in container.get("env", []) if not _is_added(entry)]
        yield [(entry["name"], _without_loopback(entry)) for entry in env]


def _is_added(entry: Mapping[str, Any]) -> bool:
    """A client variable that points at the connector's port, or holds a constant."""
    value = str(entry.get("value"))
    return (
        re.match(r"http://127\.0\.0\.1:(2[89]|3[012])[0-9]{3}/|/etc/pypi-connector/", value) is not None
        or value in ("http://127.0.0.1:8123/", "http://127.0.0.1:8123/simple/")
        or value in ("unused", "pypi-connector", "127.0.0.1")
        or CONSTANTS.get(entry["name"]) == entry.get("value", "")
    )


def _without_loopback(entry: Mapping[str, Any]) -> object:
    if entry["name"].lower() == "no_proxy":
        return str(entry.get("value")).removesuffix(",127.0.0.1")
    return entry.get("value", entry.get("valueFrom"))
