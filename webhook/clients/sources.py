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

EXTRA_INDEX = "PIP_EXTRA_INDEX_URL"
BLANK = " "
NO_INDEX = "PIP_NO_INDEX"
PIP_PROXY = "PIP_PROXY"
"""A proxy for every request of pip: `NO_PROXY` does not apply to it"""
LINKS = ("PIP_FIND_LINKS", "UV_FIND_LINKS")

PIP_OPTIONS = ("extra-index-url", "find-links", "no-index")
"""The same in pip.conf"""

GUARDS: Mapping[str, Mapping[str, str]] = {
    # pip ignores an empty variable, and splits a blank into an empty list. In place of the blank our URL would
    # be printed twice, and as a link it would be fetched as a page
    "pip": {EXTRA_INDEX: BLANK, "PIP_FIND_LINKS": BLANK, NO_INDEX: "0", PIP_PROXY: ""},
    # uv takes an empty variable for an empty list
    "uv index": {"UV_INDEX": "", "UV_EXTRA_INDEX_URL": "", "UV_FIND_LINKS": ""},
}
"""Group of variables → variables that outweigh those of the image, wherever the group is ours"""
_ALWAYS = {"pip": {PIP_PROXY: GUARDS["pip"][PIP_PROXY]}}
"""Guards that keep the way to the connector open; they have nothing to do with further sources"""

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
    value = entry.get("value")
    if entry.get("valueFrom") or (value is not None and not isinstance(value, str)):
        return True
    sources = [source for source in re.split(r"[\s,]+", value or "") if source]
    if name in LINKS and "$(" not in (value or ""):
        sources = [source for source in sources if "://" in source and not source.startswith("file:")]
    return any(source.rpartition("=")[2] != index_url for source in sources)


def shuts_out_every_index(env: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The author's variables with which pip asks no index, and so not the connector either."""
    for entry in env:
        name = str(entry.get("name"))
        is_false = str(entry.get("value") or "").lower() in _FALSE
        if read_as(name) == NO_INDEX and not is_false:
            yield name
