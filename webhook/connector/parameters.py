"""A Connector's parameters (`spec.params`): names, allowed values, defaults. Pure.

docs/architecture.md lists the places that a new parameter passes.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from sidecar.contract.grant import MAX_CONNECTIONS, PackagePolicy
from webhook.connector.fields import read_pairs
from webhook.connector.packages import PARAMETERS as PACKAGES
from webhook.connector.packages import normalise, parse_patterns
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InvalidValue
from webhook.problems import Problems

Access = Literal["read", "readwrite"]
Authorization = Literal["namespace", "rbac"]
ExtraIndexes = Literal["refuse", "warn", "allow"]
"""What admission does with a Pod whose own variables name indexes beside the connector's"""
STRICTEST_FIRST: tuple[ExtraIndexes, ...] = get_args(ExtraIndexes)
T = TypeVar("T")

CONNECTIONS_LIMIT = 192
"""A sidecar serves no more requests at once (`sidecar.exchange.server.ACTIVE_LIMIT`)"""

_FIELD = "spec.params"
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,510}[A-Za-z0-9])?")
"""A project's name (PEP 508), at most as long as the sidecar lets pass"""
_NO_PATH = re.compile(r"[?#%\\]|[^!-~]|//")
"""Parts that a request's target cannot hold, or that servers read in different ways"""
_CHOICES: Mapping[str, tuple[str, ...] | None] = {
    "indexPath": None,
    "probePackage": None,
    "access": ("read", "readwrite"),
    "authorization": ("namespace", "rbac"),
    "allowInsecureHTTP": ("true", "false"),
    "extraIndexes": STRICTEST_FIRST,
    "maxConnections": None,
    **dict.fromkeys(PACKAGES),
}
"""Name of a parameter → its allowed values, None where a function reads the value."""
KNOWN: Collection[str] = _CHOICES.keys()
OWN = re.compile(r"x-[a-z0-9]([a-z0-9-]{0,59}[a-z0-9])?")
"""Names of parameters for a class's templates alone. A misspelt parameter of ours is none of these"""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one Connector, with defaults for those that it leaves out."""

    index_path: str | None
    """Without slashes around it; None: the manifest does not say"""
    probe_package: str | None
    """Normalised (PEP 503)"""
    access: Access
    authorization: Authorization
    allows_insecure_http: bool
    extra_indexes: ExtraIndexes
    max_connections: int
    allowed_packages: tuple[str, ...]
    denied_packages: tuple[str, ...]

    def policy(self, connector: str) -> PackagePolicy | None:
        """None where neither list is given. The sidecar names the Connector in its refusals."""
        if not self.allowed_packages and not self.denied_packages:
            return None
        return PackagePolicy(connector, self.allowed_packages, self.denied_packages)


def parse_texts(texts: Mapping[str, str], problems: Problems) -> Parameters:
    """Where a value is wrong, the default stands in for it: the problem refuses the Connector anyway."""
    _check_choices(texts, problems)

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        if name not in texts:
            return default
        place = f"{_FIELD} {name}"
        reason = ConnectorReason.INVALID_PARAMETER
        return problems.read(parse, texts[name], place=place, reason=reason, default=default)

    index_path = read("indexPath", _parse_path, "") if "indexPath" in texts else None
    probe_package = read("probePackage", _parse_package, None)
    no_patterns: tuple[str, ...] = ()
    allowed, denied = (read(name, parse_patterns, no_patterns) for name in PACKAGES)
    return Parameters(
        index_path=index_path,
        probe_package=probe_package,
        access="read" if texts.get("access") == "read" else "readwrite",
        authorization="rbac" if texts.get("authorization") == "rbac" else "namespace",
        allows_insecure_http=texts.get("allowInsecureHTTP") == "true",
        extra_indexes=_extra_indexes(texts.get("extraIndexes")),
        max_connections=read("maxConnections", _parse_connections, MAX_CONNECTIONS),
        allowed_packages=allowed,
        denied_packages=denied,
    )


def read_texts(value: object, problems: Problems, own: Collection[str] = ()) -> dict[str, str]:
    """The known parameters, as the manifest has them. `own` are those of the class alone."""
    texts: dict[str, str] = {}
    for name, text in read_pairs(value, _FIELD, problems):
        if name not in _CHOICES and name not in own:
            sentence = f"{_FIELD} has no {name!r}; known are {', '.join([*_CHOICES, *own])}"
            problems.add(ConnectorReason.INVALID_PARAMETER, sentence)
            continue
        texts[name] = text
    return texts


def _check_choices(texts: Mapping[str, str], problems: Problems) -> None:
    for name, text in texts.items():
        choices = _CHOICES.get(name)
        if choices and text not in choices:
            listed = " or ".join(f'"{choice}"' for choice in choices)
            sentence = f"{_FIELD} {name} must be {listed}, not {text!r}"
            problems.add(ConnectorReason.INVALID_PARAMETER, sentence)


def _extra_indexes(text: str | None) -> ExtraIndexes:
    return next((value for value in STRICTEST_FIRST if value == text), "warn")


def _parse_path(text: str) -> str:
    if any(segment in (".", "..") for segment in text.split("/")) or _NO_PATH.search(text):
        raise InvalidValue(f"must be a plain path such as +simple/, not {text!r}")
    return text.strip("/")


def _parse_package(text: str) -> str | None:
    if text and not _PACKAGE.fullmatch(text):  # it becomes a segment of the probe's path
        raise InvalidValue(f"must be a package's name such as requests, not {text!r}")
    return normalise(text) or None


def _parse_connections(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > CONNECTIONS_LIMIT:
        raise InvalidValue(f"must be a whole number from 1 to {CONNECTIONS_LIMIT}, not {text!r}")
    return int(text)
