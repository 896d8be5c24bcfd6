"""A Pod's annotations as a typed request: defaults, allowed values, and all problems at once. Pure."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sidecar.contract.words import LOG_LEVELS
from webhook import names
from webhook.connector.connector_class import CONFIGURATIONS_LIMIT
from webhook.errors import InputError, InvalidValue, Problem
from webhook.identifiers import ConnectorKey, is_label
from webhook.pod.csi_volumes import CONNECTORS_LIMIT, CsiVolume, read_record
from webhook.pod.quantities import parse_quantity
from webhook.pod.reasons import Reason
from webhook.problems import Problems

T = TypeVar("T")

CONFIGURATIONS = (names.PIPCONF_CONFIGURATION, names.PYPIRC_CONFIGURATION)

_BUILT_IN = (*CONFIGURATIONS, names.UV_CONFIGURATION)

LISTENERS_LIMIT = CONNECTORS_LIMIT + 1
"""Connectors of a Pod with CSI volumes: as many as the longest order has, and a publish target"""

CONTAINER_NAMES_LIMIT = 64
"""Arbitrary. Each name costs a lookup. A Pod that needs more omits the annotation, which selects all."""

GROUP_ANNOTATIONS_LIMIT = 32
"""Annotations of our group. Authors have 11; the others belong to other products of the group."""

SUGGESTIONS_LIMIT = 16
"""Unknown annotations that are compared with the known annotations, at 100 µs each"""

_PREFIX = names.GROUP + "/"
_KNOWN = frozenset({*names.AUTHOR_ANNOTATIONS, names.RESULT, names.CSI_VOLUMES})
_RESOURCES = (names.CPU_REQUEST, names.CPU_LIMIT, names.MEMORY_REQUEST, names.MEMORY_LIMIT)


@dataclass(frozen=True, slots=True)
class Resources:
    """The author's wishes for the sidecar's resources: quantities, None where there is no annotation."""

    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The request of a Pod."""

    connectors: tuple[ConnectorKey, ...] = ()
    """The first is the index. Empty: the Pod asks for nothing"""
    publish_connectors: tuple[ConnectorKey, ...] = ()
    """Where uploads go, if not to the first connector. The first of them is the default"""
    configurations: tuple[str, ...] = CONFIGURATIONS
    containers: tuple[str, ...] | None = None
    """None: all"""
    port: int | None = None
    """Port of the first connector; None: derived from its name"""
    resources: Resources = field(default_factory=Resources)
    log_level: str = "info"
    is_opted_out: bool = False
    warnings: tuple[str, ...] = ()
    inherited: Mapping[str, str] = field(default_factory=dict)
    """The annotations that the Namespace has given"""
    is_asked_by_namespace: bool = False
    """The Pod itself named no connector"""
    volumes: tuple[CsiVolume, ...] = ()
    """Volumes whose files the sidecar writes. Their connectors are no part of the order in `connectors`"""
    resolved: Mapping[str, str | None] = field(default_factory=dict)
    """Annotations to write into the Pod; None: to remove (`resolution.read_request`)"""

    @property
    def has_pipconf(self) -> bool:
        """Whether clients get the index. pip's and uv's files come together: a client without would ask
        pypi.org."""
        return bool({names.PIPCONF_CONFIGURATION, names.UV_CONFIGURATION} & set(self.configurations))

    @property
    def own_configurations(self) -> tuple[str, ...]:
        """Of the first connector's class. Whether it has them is judged where the class is known."""
        return tuple(name for name in self.configurations if name not in _BUILT_IN)

    @property
    def has_pypirc(self) -> bool:
        return names.PYPIRC_CONFIGURATION in self.configurations

    @property
    def order(self) -> tuple[ConnectorKey, ...]:
        """The connectors to install from, where a project of one may be looked for in the next."""
        return self.connectors if len(self.connectors) > 1 else ()

    @property
    def publish_targets(self) -> tuple[ConnectorKey, ...]:
        """All connectors that take uploads, the default first; empty without `pypirc`."""
        if not self.has_pypirc:
            return ()
        return self.publish_connectors or self.connectors[:1]

    @property
    def keys(self) -> tuple[ConnectorKey, ...]:
        """All connectors, in the order of the listeners."""
        of_volumes = [key for volume in self.volumes for key in volume.connectors]
        return tuple(dict.fromkeys([*self.connectors, *self.publish_connectors, *of_volumes]))

    def takes_uploads(self, connector: ConnectorKey) -> bool:
        """Whether the connector is a publish target, or that of a volume with `pypirc`."""
        of_volumes = [volume.key for volume in self.volumes if volume.has_pypirc]
        return connector in self.publish_targets or connector in of_volumes

    def selects(self, container: str) -> bool:
        return self.containers is None or container in self.containers


def parse_annotations(
    annotations: Mapping[str, str],
    *,
    namespace: str,
    warns: bool = True,
    inherited: Mapping[str, str] | None = None,
) -> Request:
    """Read the annotations, or raise `InputError` with all problems.

    `namespace` is the admission request's: a Pod with a generated name may not carry its own yet. If the Pod
    opts out, its other annotations are not read. `warns` costs work for each unknown annotation. `inherited`
    are those among the annotations that stand on the Namespace: the sentences say so.
    """
    inherited = inherited or {}
    if annotations.get(names.INJECT) == "false":
        return Request(is_opted_out=True)
    count = sum(name.startswith(_PREFIX) for name in annotations)
    if count > GROUP_ANNOTATIONS_LIMIT:
        fix = f"remove some, at most {GROUP_ANNOTATIONS_LIMIT} are read"
        raise InputError.of(Reason.INVALID_ANNOTATION, f"{count} annotations begin with {_PREFIX}", fix)
    reader = _Reader(annotations, namespace, inherited)
    request = Request(
        connectors=reader.read(names.CONNECTOR, (), reader.connectors),
        publish_connectors=reader.read(names.PUBLISH_CONNECTOR, (), reader.connectors),
        configurations=reader.read(names.CONFIGURATIONS, CONFIGURATIONS, reader.configurations),
        containers=reader.read(names.CONTAINERS, None, reader.containers),
        port=reader.read(names.PORT, None, reader.port),
        resources=Resources(*(reader.read(name, None, reader.quantity) for name in _RESOURCES)),
        log_level=reader.read(names.LOG_LEVEL, "info", reader.log_level),
        warnings=_unknown(annotations) if warns else (),
        inherited=inherited,
        volumes=reader.read(names.CSI_VOLUMES, (), reader.volumes),
    )
    reader.read(names.INJECT, None, reader.inject)
    problems = reader.problems
    problems.extend(_contradictions(annotations, request, reader.title))
    problems.raise_any()
    return request


class _Reader:
    """Reads the annotations and collects the problems of all of them."""

    def __init__(self, annotations: Mapping[str, str], namespace: str, inherited: Mapping[str, str]) -> None:
        self._annotations = annotations
        self._namespace = namespace
        self._inherited = inherited
        self.problems = Problems()

    def title(self, name: str) -> str:
        """The annotation's name, and where it stands if that is not the Pod."""
        return f"{name} of Namespace {self._namespace}" if name in self._inherited else name

    def read(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        text = self._annotations.get(name)
        if text is None:
            return default
        reason = Reason.INVALID_ANNOTATION
        return self.problems.read(
            parse, text, place=f"annotation {self.title(name)}", reason=reason, default=default
        )

    def connectors(self, text: str) -> tuple[ConnectorKey, ...]:
        parts = _parts(text, CONNECTORS_LIMIT, "connectors")
        return tuple(dict.fromkeys(self.connector(part) for part in parts))

    def connector(self, text: str) -> ConnectorKey:
        return ConnectorKey.parse(text.strip(), default_namespace=self._namespace)

    def configurations(self, text: str) -> tuple[str, ...]:
        chosen = _parts(text, CONFIGURATIONS_LIMIT, "configurations")
        if not all(is_label(name) for name in chosen):
            known = ", ".join(CONFIGURATIONS)
            raise InvalidValue(f"must be a comma list of configurations such as {known}, not {text!r}")
        return (*(name for name in _BUILT_IN if name in chosen), *sorted(set(chosen) - set(_BUILT_IN)))

    def containers(self, text: str) -> tuple[str, ...]:
        selected = _parts(text, CONTAINER_NAMES_LIMIT, "containers")
        if not all(is_label(name) for name in selected):
            raise InvalidValue(f"must be a comma list of container names, not {text!r}")
        if names.SIDECAR in selected:
            raise InvalidValue(f"must not name {names.SIDECAR!r}", "it is the sidecar itself")
        return selected

    def volumes(self, text: str) -> tuple[CsiVolume, ...]:
        return read_record(text, self._namespace)

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


def _parts(text: str, limit: int, things: str) -> tuple[str, ...]:
    """The different members of a comma list, which are counted before any of them is parsed."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if len(parts) > limit:
        raise InvalidValue(f"names {len(parts)} {things}; at most {limit} are allowed")
    return parts


def _contradictions(
    annotations: Mapping[str, str], request: Request, title: Callable[[str], str]
) -> list[Problem]:
    """Problems of annotations that are valid by themselves and contradict each other."""
    problems = []
    if len(request.keys) > LISTENERS_LIMIT and request.volumes:
        sentence = f"annotations and volumes name {len(request.keys)} connectors"
        fix = f"name {LISTENERS_LIMIT} at most"
        problems.append(Problem(Reason.INVALID_VOLUME, sentence, fix))
    if names.PUBLISH_CONNECTOR in annotations and names.CONNECTOR not in annotations:
        sentence = f"annotation {title(names.PUBLISH_CONNECTOR)} needs {names.CONNECTOR} beside it"
        fix = "add the connector to install from"
        problems.append(Problem(Reason.PUBLISH_WITHOUT_CONNECTOR, sentence, fix))
    if request.volumes and names.CONNECTOR not in annotations:
        # admission writes both (`resolution`), and the guards know a Pod by that annotation alone
        sentence = f"annotation {names.CSI_VOLUMES} needs {names.CONNECTOR} beside it"
        problems.append(Problem(Reason.INVALID_ANNOTATION, sentence, "remove it: admission alone writes it"))
    if names.PUBLISH_CONNECTOR in annotations and not request.has_pypirc:
        sentence = (
            f"annotation {title(names.PUBLISH_CONNECTOR)} needs pypirc among {title(names.CONFIGURATIONS)}"
        )
        fix = "add it there, or remove the publish connector"
        problems.append(Problem(Reason.PUBLISH_WITHOUT_PYPIRC, sentence, fix))
    wishes = request.resources
    for request_name, low, limit_name, high in (
        (names.CPU_REQUEST, wishes.cpu_request, names.CPU_LIMIT, wishes.cpu_limit),
        (names.MEMORY_REQUEST, wishes.memory_request, names.MEMORY_LIMIT, wishes.memory_limit),
    ):
        if low and high and (parse_quantity(low) or 0) > (parse_quantity(high) or 0):
            sentence = (
                f"annotation {title(request_name)} ({low}) must not be above {title(limit_name)} ({high})"
            )
            problems.append(Problem(Reason.INVALID_ANNOTATION, sentence))
    return problems


def _unknown(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Warnings only: other products of the same group may have annotations of their own."""
    unknown = [name for name in annotations if name.startswith(_PREFIX) and name not in _KNOWN]
    known = [name.removeprefix(_PREFIX) for name in names.AUTHOR_ANNOTATIONS]
    warnings = []
    for position, name in enumerate(unknown):
        bare = name.removeprefix(_PREFIX)[:64]
        near = difflib.get_close_matches(bare, known, n=1) if position < SUGGESTIONS_LIMIT else []
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        warnings.append(f"annotation {name[:128]} is not known: {hint}")
    return tuple(warnings)
