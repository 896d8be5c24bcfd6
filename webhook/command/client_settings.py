"""Variables of clients for `run`'s command, and sentences about settings that no variable overrides."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhook.clients import no_proxy, sources, variables
from webhook.clients.settings_files import hindrances_of_uv, sources_of_pdm, sources_of_uv
from webhook.command.local_proxy import RunningProxy

_NO_SYSTEM_CONFIG = "UV_NO_SYSTEM_CONFIG"
_TRUE = ("1", "true", "yes", "y", "t", "on")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    variables: dict[str, str]
    """The command's whole environment"""
    replaced: list[str]
    """Variables of the environment that led to another registry, or kept clients from the connector"""
    further: list[str]
    """A sentence for each file whose sources clients ask beside the connector"""
    hindrances: list[str]
    """A sentence for each file that keeps a client from the connector"""


def client_settings(environment: Mapping[str, str], proxy: RunningProxy) -> ClientSettings:
    """The command's environment. The files are those that its clients would read."""
    removed = _removed(environment, proxy)
    result = {name: value for name, value in environment.items() if name not in removed}
    result |= _added(environment, proxy, removed)
    replaced = sorted(name for name, value in environment.items() if result.get(name) != value)
    further, hindrances = [], []
    for file in _settings_files(environment):
        named = [] if proxy.endpoints.admits_extra_indexes else file.sources
        if named and file.is_systems:
            result[_NO_SYSTEM_CONFIG] = "1"
        if named:
            further.append(file.sentence(named))
        if file.hindrances:
            hindrances.append(
                f"{file.path} sets {', '.join(file.hindrances)}: uv does not reach the connector; remove it"
            )
    entries, _ = no_proxy.bypass_loopback(_entries(result))
    return ClientSettings({entry["name"]: entry["value"] for entry in entries}, replaced, further, hindrances)


def _added(environment: Mapping[str, str], proxy: RunningProxy, removed: Collection[str]) -> dict[str, str]:
    groups = variables.groups(proxy.endpoints, config_dir=proxy.config_dir)
    added = {name: value for values in groups.values() for name, value in values.items()}
    guards = {
        name: value for values in sources.guards(proxy.endpoints).values() for name, value in values.items()
    }
    own_links = {
        sources.read_as(name)
        for name in environment
        if sources.read_as(name) in sources.LINKS and name not in removed
    }
    return {**added, **{name: value for name, value in guards.items() if name not in own_links}}


def _removed(environment: Mapping[str, str], proxy: RunningProxy) -> set[str]:
    """Variables that lead elsewhere, in any spelling that a client understands."""
    entries, urls = _entries(environment), proxy.endpoints
    ours = {name for values in variables.groups(urls).values() for name in values}
    # `run` has one target, and no group that chooses by name
    groups = variables.RIVALS.keys() - variables.BY_NAME
    rivals = {name for group in groups for name in variables.RIVALS[group]}
    further = [] if urls.admits_extra_indexes else sources.further_sources(entries, urls.index_url)
    return {
        *(name for name in environment if sources.read_as(name) in ours and name not in ours),
        *(name for name in environment if sources.read_as(name) in rivals),
        *further,
        *no_proxy.proxies_without_exception(entries),
        *sources.shuts_out_every_index(entries),
    }


def _entries(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]


@dataclass(frozen=True, slots=True)
class _SettingsFile:
    path: Path
    client: str
    sources: list[str]
    hindrances: list[str]
    is_systems: bool
    """Whether uv can be told to leave the file out, and no more than that"""

    def sentence(self, named: list[str]) -> str:
        if self.is_systems:
            remedy = f"uv leaves the file out if it knows {_NO_SYSTEM_CONFIG}"
        elif self.client == "uv":
            remedy = "uv asks these before the connector: remove them, or set UV_NO_CONFIG=1"
        else:
            remedy = "pdm asks these beside the connector: remove them"
        return f"{self.path} sets {', '.join(named)}: {remedy}"


def _settings_files(environment: Mapping[str, str]) -> Iterator[_SettingsFile]:
    """The files of the user and of the system. A project's own file is its author's business."""
    home = Path(environment.get("HOME") or "/")
    own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    folders = (environment.get("XDG_CONFIG_DIRS") or "").split(":")
    shared = [Path(folder) for folder in folders if folder] or [Path("/etc/xdg")]
    for path, is_systems in _uv_files(environment, own, shared):
        document = _read(path)
        yield _SettingsFile(path, "uv", sources_of_uv(document), hindrances_of_uv(document), is_systems)
    chosen = environment.get("PDM_CONFIG_FILE")
    for path in (Path(chosen) if chosen else own / "pdm/config.toml", shared[0] / "pdm/config.toml"):
        yield _SettingsFile(path, "pdm", sources_of_pdm(_read(path)), [], is_systems=False)


def _uv_files(environment: Mapping[str, str], own: Path, shared: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Path, and whether it is the system's file: the first of several that exists."""
    if environment.get("UV_NO_CONFIG", "").lower() in _TRUE:
        return
    if chosen := environment.get("UV_CONFIG_FILE"):
        yield Path(chosen), False
        return
    yield own / "uv/uv.toml", False
    places = [*(folder / "uv/uv.toml" for folder in shared), Path("/etc/uv/uv.toml")]
    if environment.get(_NO_SYSTEM_CONFIG, "").lower() not in _TRUE:
        yield next((path for path in places if path.is_file()), places[-1]), True


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is no file, or one that the client will complain about itself."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}
