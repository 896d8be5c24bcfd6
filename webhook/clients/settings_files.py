"""Settings files of uv and pdm, as far as they lead to other sources or proxies than the connector. Pure.

Variables of ours outweigh all of pip's files, but not these: uv and pdm add the indexes of every file.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def sources_of_uv(document: Mapping[str, Any]) -> list[str]:
    """The options of a parsed uv.toml that name sources beside the default index."""
    return [*_sources(document), *(f"pip.{option}" for option in _sources(_table(document, "pip")))]


def hindrances_of_uv(document: Mapping[str, Any]) -> list[str]:
    """The options with which uv does not reach the connector. `NO_PROXY` does not apply to these proxies."""
    options = [option for option in ("http-proxy", "no-index") if document.get(option)]
    return [*options, *(["pip.no-index"] if _table(document, "pip").get("no-index") else [])]


def sources_of_pdm(document: Mapping[str, Any]) -> list[str]:
    """The indexes of a parsed config.toml of pdm beside the default one, which `PDM_PYPI_URL` replaces."""
    indexes = _table(document, "pypi").items()
    return [f"pypi.{name}" for name, index in indexes if isinstance(index, Mapping) and index.get("url")]


def _sources(table: Mapping[str, Any]) -> Iterator[str]:
    if any(map(_is_asked_by_itself, _list(table, "index"))):
        yield "index"
    if table.get("extra-index-url"):
        yield "extra-index-url"
    if any("://" in str(link) for link in _list(table, "find-links")):  # others are folders
        yield "find-links"
    if table.get("torch-backend"):
        yield "torch-backend"


def _is_asked_by_itself(index: object) -> bool:
    """The default index is replaced by ours, and only a project can name an explicit one."""
    return isinstance(index, Mapping) and not index.get("default") and not index.get("explicit")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}


def _list(table: Mapping[str, Any], name: str) -> list[Any]:
    value = table.get(name)
    return value if isinstance(value, list) else []
