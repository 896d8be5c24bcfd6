"""A Pod's annotations as a typed request: defaults, allowed values, and every problem at once. Pure."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sidecar.contract.words import LOG_LEVELS
from webhook import names
from webhook.errors import InputError, InvalidValue, Problem
from webhook.identifiers import ConnectorKey, is_label
from webhook.pod.quantities import parse_quantity
from webhook.pod.reasons import Reason
from webhook.problems import Problems

T = TypeVar("T")

CONFIGURATIONS = (names.PIPCONF_CONFIGURATION, names.PYPIRC_CONFIGURATION)

MOST_CONNECTORS = 16
"""Arbitrary. Each costs a look-up in admission and a listening socket in the sidecar."""

MOST_CONTAINER_NAMES = 64
"""Arbitrary: each is looked up among the Pod's containers. Whoever means more leaves the annotation out."""

MOST_GROUP_ANNOTATIONS = 32
"""Annotations of our group. Authors have 11; the rest is left to other products of the group."""

MOST_SUGGESTIONS = 16
"""Unknown annotations that are compared with the known ones, at 100 µs each"""

_PREFIX = names.GROUP + "/"
_KNOWN = frozenset({*names.AUTHOR_ANNOTATIONS, names.RESULT})
_RESOURCES = (names.CPU_REQUEST, names.CPU_LIMIT, names.MEMORY_REQUEST, names.MEMORY_LIMIT)


@dataclass(frozen=True, slots=True)
class Resources:
    """The sidecar's resources as the author wishes them: quantities, None where nothing is said."""

    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a Pod asks for."""

    connectors: tuple[ConnectorKey, ...] = ()
    """The first is the index. Empty: nothing is asked for"""
    publish_connector: ConnectorKey | None = None
    """Where uploads go, if not to the first connector"""
    configurations: tuple[str, ...] = CONFIGURATIONS
    containers: tuple[str, ...] | None = None
    """None: all; at most MOST_CONTAINER_NAMES"""
    port: int | None = None
    """Of the first connector; None: derived from its name"""
    resources: Resources = field(default_factory=Resources)
    log_level: str = "info"
    is_opted_out: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def has_pipconf(self) -> bool:
        return names.PIPCONF_CONFIGURATION in self.configurations

    @property
    def has_pypirc(self) -> bool:
        return names.PYPIRC_CONFIGURATION in self.configurations

    @property
    def publish_target(self) -> ConnectorKey | None:
        """The one connector that may be uploaded to; None without `pypirc`."""
        if not self.has_pypirc or not self.connectors:
            return None
        return self.publish_connector or self.connectors[0]

    @property
    def keys(self) -> tuple[ConnectorKey, ...]:
        """Every connector named, in the order of the listeners."""
        further = [self.publish_connector] if self.publish_connector else []
        return tuple(dict.fromkeys([*self.connectors, *further]))

    def selects(self, container: str) -> bool:
        return self.containers is None or container in self.containers


def parse_annotations(annotations: Mapping[str, str], *, namespace: str, warns: bool = True) -> Request:
    """Read the annotations, or raise `InputError` with everything that is wrong.

    `namespace` is the admission request's: that of a Pod with a generated name may still be empty. Whoever
    opts out is not told about the rest. `warns` costs work for each unknown annotation.
    """
    if annotations.get(names.INJECT) == "false":
        return Request(is_opted_out=True)
    ours = sum(name.startswith(_PREFIX) for name in annotations)
    if ours > MOST_GROUP_ANNOTATIONS:
        sentence = (
            f"{ours} annotations begin with {_PREFIX}: remove some, at most {MOST_GROUP_ANNOTATIONS} are read"
        )
        raise InputError.of(Reason.INVALID_ANNOTATION, sentence)
    reader = _Reader(annotations, namespace)
    request = Request(
        connectors=reader.read(names.CONNECTOR, (), reader.connectors),
        publish_connector=reader.read(names.PUBLISH_CONNECTOR, None, reader.connector),
        configurations=reader.read(names.CONFIGURATIONS, CONFIGURATIONS, reader.configurations),
        containers=reader.read(names.CONTAINERS, None, reader.containers),
        port=reader.read(names.PORT, None, reader.port),
        resources=Resources(*(reader.read(name, None, reader.quantity) for name in _RESOURCES)),
        log_level=reader.read(names.LOG_LEVEL, "info", reader.log_level),
        warnings=_unknown(annotations) if warns else (),
    )
    reader.read(names.INJECT, None, reader.inject)
    problems = reader.problems
    problems.extend(_contradictions(annotations, request))
    problems.raise_any()
    return request


class _Reader:
    """Reads one annotation after another and collects the problems of all."""

    def __init__(self, annotations: Mapping[str, str], namespace: str) -> None:
        self._annotations = annotations
        self._namespace = namespace
        self.problems = Problems()

    def read(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        text = self._annotations.get(name)
        if text is None:
            return default
        reason, place = Reason.INVALID_ANNOTATION, f"annotation {name}"
        return self.problems.read(parse, text, place=place, reason=reason, default=default)

    def connectors(self, text: str) -> tuple[ConnectorKey, ...]:
        parts = _parts(text, MOST_CONNECTORS, "connectors")
        return tuple(dict.fromkeys(self.connector(part) for part in parts))

    def connector(self, text: str) -> ConnectorKey:
        return ConnectorKey.parse(text.strip(), default_namespace=self._namespace)

    def configurations(self, text: str) -> tuple[str, ...]:
        chosen = {part.strip() for part in text.split(",")}
        if not chosen <= set(CONFIGURATIONS):
            raise InvalidValue(f"must be {', '.join(CONFIGURATIONS)} or both with a comma, not {text!r}")
        return tuple(one for one in CONFIGURATIONS if one in chosen)

    def containers(self, text: str) -> tuple[str, ...]:
        found = _parts(text, MOST_CONTAINER_NAMES, "containers")
        if not all(is_label(one) for one in found):
            raise InvalidValue(f"must be a comma list of container names, not {text!r}")
        if names.SIDECAR in found:
            raise InvalidValue(f"must not name {names.SIDECAR!r}", "it is the sidecar itself")
        return found

    def port(self, text: str) -> int:
        # below 1024 only root may listen, and the sidecar is not root
        if not re.fullmatch(r"[0-9]{4,5}", text) or not 1024 <= int(text) <= 65535:
            raise InvalidValue(f"must be a whole number from 1024 to 65535, not {text!r}")
        return int(text)

    def quantity(self, text: str) -> str:
        if not parse_quantity(text):
            raise InvalidValue(f"must be a Kubernetes quantity above zero such as 50m or 64Mi, not {text!r}")
        return text

    def log_level(self, text: str) -> str:
        if text not in LOG_LEVELS:
            raise InvalidValue(f"must be one of {', '.join(LOG_LEVELS)}, not {text!r}")
        return text

    def inject(self, text: str) -> None:
        if text != "true":
            raise InvalidValue(f'must be "false" (opts out) or "true", not {text!r}')


def _parts(text: str, most: int, of_what: str) -> tuple[str, ...]:
    """The different members of a comma list, which are counted before any is looked at."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if len(found) > most:
        raise InvalidValue(f"names {len(found)} {of_what}; at most {most} are allowed")
    return found


def _contradictions(annotations: Mapping[str, str], request: Request) -> list[Problem]:
    """Annotations that are right each by itself, and wrong together."""
    found = []
    if names.PUBLISH_CONNECTOR in annotations and names.CONNECTOR not in annotations:
        sentence = (
            f"annotation {names.PUBLISH_CONNECTOR} needs {names.CONNECTOR} beside it: "
            "add the connector to install from"
        )
        found.append(Problem(Reason.PUBLISH_WITHOUT_CONNECTOR, sentence))
    if names.PUBLISH_CONNECTOR in annotations and not request.has_pypirc:
        sentence = (
            f"annotation {names.PUBLISH_CONNECTOR} needs pypirc among {names.CONFIGURATIONS}: add it there, "
            "or remove the publish connector"
        )
        found.append(Problem(Reason.PUBLISH_WITHOUT_PYPIRC, sentence))
    wishes = request.resources
    for request_name, low, limit_name, high in (
        (names.CPU_REQUEST, wishes.cpu_request, names.CPU_LIMIT, wishes.cpu_limit),
        (names.MEMORY_REQUEST, wishes.memory_request, names.MEMORY_LIMIT, wishes.memory_limit),
    ):
        if low and high and (parse_quantity(low) or 0) > (parse_quantity(high) or 0):
            sentence = f"annotation {request_name} ({low}) must not be above {limit_name} ({high})"
            found.append(Problem(Reason.INVALID_ANNOTATION, sentence))
    return found


def _unknown(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Only a warning: other products of the same group may have annotations of their own."""
    unknown = [name for name in annotations if name.startswith(_PREFIX) and name not in _KNOWN]
    known = [name.removeprefix(_PREFIX) for name in names.AUTHOR_ANNOTATIONS]
    found = []
    for position, name in enumerate(unknown):
        bare = name.removeprefix(_PREFIX)[:64]
        near = difflib.get_close_matches(bare, known, n=1) if position < MOST_SUGGESTIONS else []
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        found.append(f"annotation {name[:128]} is not known: {hint}")
    return tuple(found)
