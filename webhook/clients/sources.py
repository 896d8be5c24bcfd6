"""Sources of packages beside the connector's index: who names them, and how they are shut out. Pure.

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

INDEX = "PIP_INDEX_URL"
EXTRA_INDEX = "PIP_EXTRA_INDEX_URL"
NO_INDEX = "PIP_NO_INDEX"
LINKS = ("PIP_FIND_LINKS", "UV_FIND_LINKS")

PIP_OPTIONS = ("extra-index-url", "find-links", "no-index")
"""The same in pip.conf"""

CONSTANTS: Mapping[str, Mapping[str, str]] = {
    # pip ignores an empty variable, and splits a blank into no link at all. A URL would be fetched as a page
    "pip": {"PIP_FIND_LINKS": " ", NO_INDEX: "0"},
    # uv takes an empty variable for an empty list
    "uv index": {"UV_INDEX": "", "UV_EXTRA_INDEX_URL": "", "UV_FIND_LINKS": ""},
}
"""Group of variables → guard → value. The other guard is `EXTRA_INDEX` with our own URL: pip asks it once."""

_NAMING: Mapping[str, tuple[str, ...]] = {
    "pip": (EXTRA_INDEX, "PIP_FIND_LINKS"),
    # the last brings download.pytorch.org for the packages of PyTorch
    "uv index": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_TORCH_BACKEND"),
}
"""Group of variables → variables that name further sources"""

_FALSE = frozenset({"", "0", "no", "n", "false", "f", "off"})


def guards(endpoints: Endpoints) -> dict[str, dict[str, str]]:
    """Group → {name: value}: variables that shut further sources out, wherever the group is ours."""
    if endpoints.index_url is None or endpoints.admits_extra_indexes:
        return {}
    result = {group: dict(constants) for group, constants in CONSTANTS.items()}
    return {**result, "pip": {EXTRA_INDEX: endpoints.index_url, **result["pip"]}}


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
