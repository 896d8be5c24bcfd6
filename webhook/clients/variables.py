"""Environment variables of clients, in groups: their names and values, and whose an entry is. Pure.

A group is set as a whole or not at all. A mix of the user's settings and ours would send credentials of a
registry, or a package, to another registry.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sidecar.contract.words import CONFIG_DIR
from webhook import names
from webhook.clients import ports, sources
from webhook.clients.endpoints import Endpoints, check_url, index_url, upload_url
from webhook.clients.files import PASSWORD, USERNAME

_INDEX, _UPLOAD, _CHECK = "index", "upload", "check"
_PIP_CONF = "pip.conf"
_WITH_INDEX = "1, where there is an index"
_SECTION = "section of .pypirc, where clients have a choice of targets"
_NAMED_INDEX = "index of uv.toml, where clients have a choice of targets"
_CONSTANTS = {
    _PIP_CONF: f"{CONFIG_DIR}/{names.PIP_CONF}",
    _WITH_INDEX: "1",
    _SECTION: names.ALIAS,
    _NAMED_INDEX: names.ALIAS,
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "pip": {"PIP_CONFIG_FILE": _PIP_CONF, "PIP_INDEX_URL": _INDEX},
    # UV_INDEX_URL is for uv before 0.4.23; later versions prefer UV_DEFAULT_INDEX, silently
    "uv index": {"UV_DEFAULT_INDEX": _INDEX, "UV_INDEX_URL": _INDEX},
    # a token, because uv refuses a user's own `--token` beside a user name
    "uv publish": {"UV_PUBLISH_URL": _UPLOAD, "UV_PUBLISH_CHECK_URL": _CHECK, "UV_PUBLISH_TOKEN": PASSWORD},
    "twine": {
        "TWINE_REPOSITORY_URL": _UPLOAD,
        "TWINE_USERNAME": USERNAME,
        "TWINE_PASSWORD": PASSWORD,
        "TWINE_NON_INTERACTIVE": "1",
    },
    "uv publish by name": {"UV_PUBLISH_INDEX": _NAMED_INDEX, "UV_PUBLISH_TOKEN": PASSWORD},
    "twine by name": {
        "TWINE_REPOSITORY": _SECTION,
        "TWINE_USERNAME": USERNAME,
        "TWINE_PASSWORD": PASSWORD,
        "TWINE_NON_INTERACTIVE": "1",
    },
    "flit": {"FLIT_INDEX_URL": _UPLOAD, "FLIT_USERNAME": USERNAME, "FLIT_PASSWORD": PASSWORD},
    "hatch": {"HATCH_INDEX_REPO": _UPLOAD, "HATCH_INDEX_USER": USERNAME, "HATCH_INDEX_AUTH": PASSWORD},
    "pdm index": {"PDM_PYPI_URL": _INDEX},
    "pdm publish": {
        "PDM_PUBLISH_REPO": _UPLOAD,
        "PDM_PUBLISH_USERNAME": USERNAME,
        "PDM_PUBLISH_PASSWORD": PASSWORD,
    },
    "pipenv": {"PIPENV_PYPI_MIRROR": _INDEX},
    # pipenv runs virtualenv, which asks pypi.org for a newer pip in the background, whatever the index is
    "virtualenv": {"VIRTUALENV_NO_PERIODIC_UPDATE": _WITH_INDEX},
    # for `-r connectors-pypi`, the section in .pypirc; poetry reads its index from the project only
    "poetry publish": {
        "POETRY_REPOSITORIES_CONNECTORS_PYPI_URL": _UPLOAD,
        "POETRY_HTTP_BASIC_CONNECTORS_PYPI_USERNAME": USERNAME,
        "POETRY_HTTP_BASIC_CONNECTORS_PYPI_PASSWORD": PASSWORD,
    },
}
"""Group → variable → kind of value: a URL, the path of pip.conf, or a constant."""

BY_NAME: Mapping[str, str] = {"uv publish by name": "uv publish", "twine by name": "twine"}
"""Group → the group that it replaces where clients have a choice of targets. With a URL in a variable, twine
would upload to it whatever `-r` says, and uv would refuse `--index`"""

RIVALS: Mapping[str, tuple[str, ...]] = {
    "pip": (sources.OTHER_INDEX,),
    "uv publish": ("UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD", "UV_PUBLISH_INDEX"),
    "uv publish by name": (
        "UV_PUBLISH_USERNAME",
        "UV_PUBLISH_PASSWORD",
        "UV_PUBLISH_URL",
        "UV_PUBLISH_CHECK_URL",
    ),
    "twine": ("TWINE_REPOSITORY",),
    "twine by name": ("TWINE_REPOSITORY_URL",),
}
"""Variables that choose a target too. Beside ours, the client refuses or ignores them."""

NAMES: Mapping[str, frozenset[str]] = {
    group: frozenset(kinds).union(RIVALS.get(group, ())) for group, kinds in GROUPS.items()
}
"""Group → every variable that matters to it. Only a group and its alternative (`BY_NAME`) share any."""

OUR_VARIABLES = frozenset(
    name for part in (GROUPS, sources.GUARDS) for values in part.values() for name in values
)
"""All that we may set"""

_URLS: Mapping[str, Callable[[int], Sequence[str]]] = {
    _INDEX: lambda port: [index_url(port)],
    _UPLOAD: lambda port: [upload_url(port)],
    _CHECK: lambda port: [check_url(port), check_url(port, is_followed=True)],
}
"""Kind → port → URLs that we write"""
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:([0-9]{1,5})/")


def groups(endpoints: Endpoints, *, config_dir: str = CONFIG_DIR) -> dict[str, dict[str, str]]:
    """Group → {name: value}, without groups that are not configured. `run` has its own `config_dir`."""
    values = {
        _INDEX: endpoints.index_url,
        _UPLOAD: endpoints.upload_url,
        _CHECK: endpoints.upload_check_url,
        _PIP_CONF: f"{config_dir}/{names.PIP_CONF}",
        _WITH_INDEX: _CONSTANTS[_WITH_INDEX] if endpoints.index_url else None,
        _SECTION: names.ALIAS if endpoints.has_choice else None,
        _NAMED_INDEX: names.ALIAS if endpoints.has_choice and endpoints.index_url else None,
    }
    complete_groups: dict[str, dict[str, str]] = {}
    for group, kinds in GROUPS.items():
        texts = {name: values.get(kind, kind) for name, kind in kinds.items()}
        complete = {name: text for name, text in texts.items() if text is not None}
        if len(complete) == len(kinds):
            complete_groups[group] = complete
    replaced = {BY_NAME[group] for group in complete_groups if group in BY_NAME}
    return {group: texts for group, texts in complete_groups.items() if group not in replaced}


def blocking(env: Iterable[Mapping[str, Any]], group: str, values: Mapping[str, str]) -> Iterator[str]:
    """The user's own variables that keep the group out."""
    for entry in env:
        name = str(entry.get("name"))
        meant = sources.read_as(name)
        is_rival = meant in RIVALS.get(group, ()) and not sources.is_guard(entry, group)
        if is_rival or (meant in GROUPS[group] and not _is_ours(entry, group, values)):
            yield name


def _is_ours(entry: Mapping[str, Any], group: str, values: Mapping[str, str]) -> bool:
    """Whether we wrote the entry: the value of today, or of another pass, port or version."""
    name, value = str(entry.get("name")), entry.get("value")
    if not isinstance(value, str) or set(entry) != {"name", "value"} or name not in GROUPS[group]:
        return False
    kind = GROUPS[group][name]
    if value == values.get(name):
        return True
    if kind in _URLS:
        match = _LOOPBACK.match(value)
        # a user's own registry may listen on the loopback interface too, outside our range of ports
        if match is None or int(match[1]) not in ports.RANGE:
            return False
        return value in _URLS[kind](int(match[1]))
    return value == _CONSTANTS.get(kind, kind)


def holds_whole_group(env: Iterable[Mapping[str, Any]], group: str) -> bool:
    return set(GROUPS[group]) <= {entry.get("name") for entry in env}
