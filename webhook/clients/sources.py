"""Sources of packages beside the connector's index: variables that name them or shut them out. Pure.

A higher version from another index replaces a private package (dependency confusion). pip and uv take further
indexes from variables, also of an image, and from files of an image, a user or a venv. Variables of ours
outweigh those of the image, and pip's files. No variable of uv outweighs its files alone: `UV_NO_CONFIG` and
`UV_CONFIG_FILE` hide the `[tool.uv]` of projects as well, and `UV_INDEX` with our URL would be asked before a
project's own index.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.clients.endpoints import Endpoints

OTHER_INDEX = "PIP_PYPI_URL"
"""pip takes it for PIP_INDEX_URL. Our URL in it would outweigh one that a script gives to PIP_INDEX_URL"""
EXTRA_INDEX = "PIP_EXTRA_INDEX_URL"
BLANK = " "
NO_INDEX = "PIP_NO_INDEX"
PIP_PROXY = "PIP_PROXY"
"""A proxy for every request of pip: `NO_PROXY` does not apply to it"""
LINKS = ("PIP_FIND_LINKS", "UV_FIND_LINKS")

PIP_OPTIONS = ("extra-index-url", "find-links", "no-index")
"""The same in pip.conf"""

_ALWAYS: Mapping[str, Mapping[str, str]] = {"pip": {OTHER_INDEX: "", PIP_PROXY: ""}}
"""Guards that keep the way to the connector open; they have nothing to do with further sources"""
GUARDS: Mapping[str, Mapping[str, str]] = {
    # pip ignores an empty variable, and splits a blank into an empty list. Our URL in its place would be
    # printed twice, and as a link it would be fetched as a page
    "pip": {EXTRA_INDEX: BLANK, "PIP_FIND_LINKS": BLANK, NO_INDEX: "0", **_ALWAYS["pip"]},
    # uv takes an empty variable for an empty list
    "uv index": {"UV_INDEX": "", "UV_EXTRA_INDEX_URL": "", "UV_FIND_LINKS": ""},
}
"""Group of variables → variables that outweigh those of the image, wherever the group is ours"""

_NAMING: Mapping[str, tuple[str, ...]] = {
    "pip": (EXTRA_INDEX, "PIP_FIND_LINKS"),
    # the last brings download.pytorch.org for the packages of PyTorch
    "uv index": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_TORCH_BACKEND"),
}
"""Group of variables → variables that name further sources"""

_FALSE = frozenset({"", "0", "no", "n", "false", "f", "off"})


def guards(endpoints: Endpoints) -> Mapping[str, Mapping[str, str]]:
    """The guards of a container, by group."""
    if endpoints.index_url is None:
        return {}
    return _ALWAYS if endpoints.admits_extra_indexes else GUARDS


def read_as(name: str) -> str:
    """The variable that a client reads. pip takes `PIP_extra-index-url` for `PIP_EXTRA_INDEX_URL`."""
    return name.upper().replace("-", "_") if name.startswith("PIP_") else name


def text(entry: Mapping[str, Any]) -> str | None:
    """An entry's value. None: it is a reference. The API server leaves an empty value out."""
    value = entry.get("value") or ""
    return value if isinstance(value, str) and not entry.get("valueFrom") else None


def is_guard(entry: Mapping[str, Any], group: str) -> bool:
    value = GUARDS.get(group, {}).get(str(entry.get("name")))
    return value is not None and text(entry) == value


def further_sources(
    env: Sequence[Mapping[str, Any]], index_url: str | None, *, groups: Sequence[str] = tuple(_NAMING)
) -> list[str]:
    """The author's variables that name sources beside `index_url`, as they are spelled."""
    naming = {name for group in groups for name in _NAMING.get(group, ())}
    return [
        str(entry.get("name"))
        for entry in env
        if (name := read_as(str(entry.get("name")))) in naming and _names_another(name, entry, index_url)
    ]


def _names_another(name: str, entry: Mapping[str, Any], index_url: str | None) -> bool:
    """A folder with archives is no index: nobody else writes into it."""
    value = text(entry)
    if value is None:
        return True
    sources = [source for source in re.split(r"[\s,]+", value) if source]
    if name in LINKS and "$(" not in value:
        sources = [source for source in sources if "://" in source and not source.startswith("file:")]
    return any(source.rpartition("=")[2] != index_url for source in sources)


def shuts_out_every_index(env: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The author's variables with which pip asks no index, and so not the connector either."""
    for entry in env:
        name = str(entry.get("name"))
        if read_as(name) == NO_INDEX and (text(entry) or "").lower() not in _FALSE:
            yield name
