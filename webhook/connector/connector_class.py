"""ConnectorClass manifests as typed values: what Connectors may say, and the files of Pods. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.connector.class_parameters import ClassParameter, parse_class_parameters
from webhook.connector.fields import as_mapping, read_object
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InvalidClass
from webhook.identifiers import is_label, is_subdomain
from webhook.problems import Problems

DATA_LIMIT = 64 * 1024
"""Bytes of all templates of a class: their files travel in a variable of the sidecar, of at most 128 KiB"""
CONFIGURATIONS_LIMIT = 16
FILES_LIMIT = 16
"""Per configuration. Both limits are arbitrary, and stand in the schema as well"""

BUILT_IN_FILES: Mapping[str, str] = {
    names.PIPCONF_CONFIGURATION: names.PIP_CONF,
    names.PYPIRC_CONFIGURATION: names.PYPIRC,
    names.UV_CONFIGURATION: names.UV_TOML,
}
"""Configurations that every class has, and the file of each: a class replaces its text, and adds others"""

_FILE = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""Neither a path, nor `.` or `..`, as the broker checks it in a Pod (`grant.known_sidecars`)"""


@dataclass(frozen=True, slots=True)
class AuthType:
    """A way of authentication that a class knows."""

    name: str
    secret_type: str = names.SECRET_TYPE
    is_optional: bool = True
    """Whether a Connector may do without a Secret"""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Files that a Pod chooses by one name."""

    name: str
    templates: tuple[tuple[str, str], ...] = ()
    """File name and template of each. A built-in file without template keeps its built-in text"""


@dataclass(frozen=True, slots=True)
class ConnectorClass:
    """A class, declared by an administrator of the cluster."""

    name: str
    auth_types: tuple[AuthType, ...] = (AuthType(names.AUTH_NAME),)
    parameters: tuple[ClassParameter, ...] = ()
    configurations: tuple[Configuration, ...] = tuple(map(Configuration, BUILT_IN_FILES))
    admits_extra_indexes: bool = False
    """Whether its files may name further indexes, and Connectors that do not say otherwise admit them"""

    @property
    def configuration_names(self) -> tuple[str, ...]:
        """All that a Pod may choose."""
        own = (configuration.name for configuration in self.configurations)
        return tuple(dict.fromkeys([*BUILT_IN_FILES, *own]))


MaybeClass = ConnectorClass | InvalidClass | None
"""A class; an error: it breaks its contract; None: there is no class of that name"""
Classes = Mapping[str, MaybeClass]

DEFAULT_CLASS = ConnectorClass(names.CONNECTOR_CLASS)
BUILT_IN_CLASSES: Classes = {names.CONNECTOR_CLASS: DEFAULT_CLASS}
"""The class that every installation has. Where its object is missing, it is about to be created again"""


def parse_class(manifest: Mapping[str, Any]) -> ConnectorClass:
    """Read a manifest, or raise `InvalidClass` with all of its problems."""
    name = str(as_mapping(manifest.get("metadata")).get("name") or "")
    problems = Problems(f"ConnectorClass {name}:")
    if not is_subdomain(name):
        sentence = f"metadata.name must be a DNS name (RFC 1123), not {name!r}"
        problems.add(ConnectorReason.CONNECTOR_CLASS_INVALID, sentence)
    spec = read_object(manifest.get("spec"), "spec", problems)
    extra_indexes = spec.get("extraIndexes", "refuse")
    if extra_indexes not in ("allow", "refuse"):
        _add(problems, f'spec.extraIndexes must be "allow" or "refuse", not {extra_indexes!r}')
    admits = extra_indexes == "allow"
    result = ConnectorClass(
        name,
        _read_auth_types(spec.get("auth"), problems),
        parse_class_parameters(spec.get("params"), problems, admits_extra_indexes=admits),
        _read_configurations(spec.get("configurations"), problems),
        admits,
    )
    problems.raise_any(InvalidClass)
    return result


def find_class(manifest: Mapping[str, Any] | None) -> MaybeClass:
    """The class of a manifest that may be absent. `InvalidClass` is returned, not raised."""
    try:
        return parse_class(manifest) if manifest else None
    except InvalidClass as error:
        return error


def with_default_class(classes: Classes) -> Classes:
    return {**BUILT_IN_CLASSES, **{name: found for name, found in classes.items() if found is not None}}


def _add(problems: Problems, sentence: str, fix: str = "") -> None:
    problems.add(ConnectorReason.CONNECTOR_CLASS_INVALID, sentence, fix)


def _items(value: object, field: str, problems: Problems) -> Iterator[Mapping[str, Any]]:
    """The objects of a list that is keyed by name; each has one, and no other has the same."""
    seen: set[object] = set()
    for item in value if isinstance(value, list) else []:
        name = as_mapping(item).get("name")
        if not isinstance(name, str) or not name:
            _add(problems, f"{field} must be a list of objects with a name")
        elif name in seen:
            _add(problems, f"{field} has {name!r} twice", "keep one")
        else:
            seen.add(name)
            yield item
    if value is not None and not isinstance(value, list):
        _add(problems, f"{field} must be a list of objects with a name")


def _read_auth_types(value: object, problems: Problems) -> tuple[AuthType, ...]:
    """Without any, `basicAuth` with or without a Secret. A type that does not say `optional` needs one."""
    auth = read_object(value, "spec.auth", problems)
    types = []
    for item in _items(auth.get("types"), "spec.auth.types", problems):
        kind, optional = item.get("secretType", names.SECRET_TYPE), item.get("optional", False)
        if not isinstance(kind, str) or not kind:
            _add(problems, f"spec.auth.types {item['name']}: secretType must be a type of Secrets")
        if not isinstance(optional, bool):
            _add(problems, f"spec.auth.types {item['name']}: optional must be true or false")
        types.append(AuthType(item["name"], str(kind), optional is True))
    return tuple(types) or (AuthType(names.AUTH_NAME),)


def _read_configurations(value: object, problems: Problems) -> tuple[Configuration, ...]:
    read: list[Configuration] = []
    owners = {file: name for name, file in BUILT_IN_FILES.items()}
    for item in _items(value, "spec.configurations", problems):
        name = item["name"]
        if not is_label(name):
            _add(problems, f"spec.configurations must have names of lower case, digits and -, not {name!r}")
            continue
        data = item.get("data") or {}
        is_text = isinstance(data, Mapping) and all(isinstance(text, str) for text in data.values())
        if not is_text or len(data) > FILES_LIMIT:
            _add(
                problems,
                f"spec.configurations {name}: data must have up to {FILES_LIMIT} file names, a text each",
            )
            continue
        if not data and name not in BUILT_IN_FILES:
            _add(problems, f"spec.configurations {name} has no data", "give the templates of its files")
        for file in data:
            owner = owners.setdefault(file, name)
            if owner != name:
                _add(problems, f"spec.configurations {name}: {file} is a file of {owner}")
            elif not _is_file_name(file):
                _add(problems, f"spec.configurations {name}: {file!r} is no plain file name")
        read.append(Configuration(name, tuple(data.items())))
    _check_sizes(read, problems)
    return tuple(read) or tuple(map(Configuration, BUILT_IN_FILES))


def _is_file_name(text: str) -> bool:
    """`.x.new` is the sidecar's: it writes `x` there first."""
    is_new = text.startswith(".") and text.endswith(".new")
    return len(text) <= 128 and _FILE.fullmatch(text) is not None and not is_new


def _check_sizes(read: list[Configuration], problems: Problems) -> None:
    if len(read) > CONFIGURATIONS_LIMIT:
        _add(
            problems, f"spec.configurations has {len(read)} entries; at most {CONFIGURATIONS_LIMIT} are read"
        )
    size = sum(len(text.encode("utf-8", "replace")) for one in read for _, text in one.templates)
    if size > DATA_LIMIT:
        _add(problems, f"spec.configurations has templates of {size} bytes; at most {DATA_LIMIT} are read")
