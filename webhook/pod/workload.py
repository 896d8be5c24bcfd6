"""The workload's containers: mounts and variables of clients, beside the author's own settings. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.clients import merging, no_proxy, references, sources, variables
from webhook.clients.endpoints import Endpoints
from webhook.connector.parameters import ExtraIndexes
from webhook.errors import Problem
from webhook.identifiers import ConnectorKey
from webhook.pod import mounts
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.shape import Json, workload_containers
from webhook.pod.volumes import Served, container_urls, mounted_files, own_config_file

_INDEX_GROUPS = ("pip", "uv index", "pdm index", "pipenv")
_REFERENCES_LIMIT = 8
"""References of `envFrom` that a warning names; arbitrary"""


@dataclass(frozen=True, slots=True)
class IndexRule:
    """What becomes of a Pod whose own variables name indexes beside the connector's."""

    value: ExtraIndexes
    connector: ConnectorKey
    """The connector that says so"""


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is to be said about the workload's containers."""

    warnings: list[str]
    problems: list[Problem]


def configure_workload(
    pod: Json,
    request: Request,
    pod_urls: Endpoints,
    rule: IndexRule,
    files: Collection[str],
    served: Served,
) -> Remarks:
    """Add mounts of the files and variables. A container that is not selected loses ours."""
    remarks = Remarks([], [])
    for container in workload_containers(pod):
        env, present = container.get("env") or [], container.get("volumeMounts") or []
        if not request.selects(container.get("name", "")):
            put(container, "env", merging.apply(env, {}).env)
            put(container, "volumeMounts", mounts.without_mounts(present))
            continue
        of_volumes = mounted_files(container, served)
        config_file = own_config_file(env, of_volumes)
        urls = container_urls(of_volumes, config_file, pod_urls)
        groups = _with_config_file(variables.groups(urls), config_file)
        merged = merging.apply(env, groups, sources.guards(urls))
        extended, opaque = no_proxy.bypass_loopback(merged.env)
        present, covered = mounts.with_mounts(present, files)
        skipped = [path for path in covered if path not in of_volumes]
        put(container, "env", extended)
        put(container, "volumeMounts", present)
        title = f"container {container.get('name', '')}"
        of_pip_and_uv = _of_pip_and_uv(merged.env, urls)
        remarks.problems.extend(_refusals(title, of_pip_and_uv, merged.own, urls, rule))
        remarks.warnings.extend(_own_variables(title, merged.own))
        remarks.warnings.extend(_own_sources(title, of_pip_and_uv, merged.own, urls, rule))
        remarks.warnings.extend(_unseen(title, container, groups))
        remarks.warnings.extend(_unreachable(title, opaque, skipped))
    return remarks


def _with_config_file(
    groups: dict[str, dict[str, str]], config_file: str | None
) -> Mapping[str, Mapping[str, str]]:
    """The author's file for pip, if it is one of ours, keeps its place among our variables."""
    if config_file is None or "pip" not in groups:
        return groups
    return groups | {"pip": groups["pip"] | {"PIP_CONFIG_FILE": config_file}}


def put(container: Json, field: str, items: list[Any]) -> None:
    """Set the field, but add no empty list where there was none: that would change the Pod for nothing."""
    if items or container.get(field):
        container[field] = items


def _of_pip_and_uv(env: Sequence[Mapping[str, Any]], urls: Endpoints) -> list[Mapping[str, Any]]:
    """References to our index are its URL: beside the connector, nothing is asked."""
    values = references.with_url(env, urls.index_url) if urls.index_url else env
    return [entry for entry in values if str(entry.get("name")).startswith(("PIP_", "UV_"))]


def _refusals(
    title: str,
    env: Sequence[Mapping[str, Any]],
    own: Mapping[str, Sequence[str]],
    urls: Endpoints,
    rule: IndexRule,
) -> Iterator[Problem]:
    if rule.value != "refuse" or urls.index_url is None:
        return
    replaced = [name for group in _INDEX_GROUPS for name in own.get(group, ())]
    named = [*replaced, *sources.further_sources(env, urls.index_url)]
    if named:
        yield Problem(
            Reason.EXTRA_INDEX,
            f"{title} sets {', '.join(named)}: Connector {rule.connector} refuses indexes beside it "
            "(extraIndexes)",
            "remove these variables",
        )


def _own_variables(title: str, own: Mapping[str, Sequence[str]]) -> Iterator[str]:
    listed = ", ".join(f"{name} ({group})" for group, of_author in own.items() for name in of_author)
    if listed:
        yield f"{title} sets {listed} itself: these clients are left to its own settings"


def _own_sources(
    title: str,
    env: Sequence[Mapping[str, Any]],
    own: Mapping[str, Sequence[str]],
    urls: Endpoints,
    rule: IndexRule,
) -> Iterator[str]:
    """Warnings about clients that ask the connector: what they ask beside it, or in place of it."""
    if urls.index_url is None:
        return
    ours = [group for group in _INDEX_GROUPS if group not in own]
    further = sources.further_sources(env, urls.index_url, groups=ours)
    if further and rule.value == "warn":
        yield (
            f"{title} sets {', '.join(further)}: clients ask another index too, and a higher version there "
            "replaces a private package; remove it"
        )
    if "pip" in own:
        return
    for name in no_proxy.proxies_without_exception(env):
        yield (
            f"{title} sets {name}: pip asks that proxy for the connector too, whatever NO_PROXY says; set "
            "HTTP_PROXY and HTTPS_PROXY in its place"
        )
    for name in sources.shuts_out_every_index(env):
        yield f"{title} sets {name}: pip asks no index, and so not the connector either; remove it"


def _unseen(
    title: str, container: Mapping[str, Any], groups: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """A warning about `envFrom`, over whose variables those in `env` take precedence."""
    watched = [name for values in groups.values() for name in values]
    references = [
        str(((entry.get("configMapRef") or entry.get("secretRef")) or {}).get("name"))
        for entry in container.get("envFrom") or []
        if any(name.startswith(entry.get("prefix") or "") for name in watched)
    ]
    listed = ", ".join([*references[:_REFERENCES_LIMIT], *(["…"] if references[_REFERENCES_LIMIT:] else [])])
    if references:
        yield (
            f"{title} takes variables from envFrom ({listed}), which admission cannot see: "
            "the connector's variables override them; write clients' own settings into env"
        )


def _unreachable(title: str, opaque: Sequence[str], skipped: Sequence[str]) -> Iterator[str]:
    if opaque:
        yield (
            f"{title}: {', '.join(opaque)} comes from a reference and cannot be extended: "
            "add 127.0.0.1 to it, or clients ask the proxy for the connector"
        )
    if skipped:
        yield (
            f"{title}: mounts its own volume at or above {', '.join(skipped)}; clients "
            "that see no environment (sudo, env -i) do not find the connector there"
        )
