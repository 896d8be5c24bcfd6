"""Connector manifests as typed values: defaults, the shape of addresses, and every problem at once. Pure."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult

from sidecar.contract.grant import MAX_CONNECTIONS, PackagePolicy
from webhook import names
from webhook.connector.address import Wrong, parse_address
from webhook.connector.packages import PARAMETERS, normalise, parse_patterns
from webhook.errors import InvalidConnector, Problem
from webhook.identifiers import is_subdomain

PYPI_UPLOAD = "https://upload.pypi.org/legacy/"
PYPI_FILES = "https://files.pythonhosted.org"

Access = Literal["read", "readwrite"]
Authorization = Literal["namespace", "rbac"]

_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,510}[A-Za-z0-9])?")
"""A project's name (PEP 508), at most as long as the sidecar lets pass"""
_NO_PATH = re.compile(r"[?#%\\]|[^!-~]|//")
"""Parts that a request's target cannot hold, or that servers read in different ways"""
_PAIR = {"name", "value"}
_FILES_EXTENSION = re.compile(r"files(-[1-9][0-9]*)?")
_PARAMETERS: Mapping[str, tuple[str, ...] | None] = {
    "indexPath": None,
    "probePackage": None,
    "access": ("read", "readwrite"),
    "authorization": ("namespace", "rbac"),
    "allowInsecureHTTP": ("true", "false"),
    "maxConnections": None,
    **dict.fromkeys(PARAMETERS),
}
"""Name of a parameter → its allowed values, None where any text is."""

CONNECTIONS_LIMIT = 192
"""The most requests that a sidecar serves at once (`sidecar.exchange.server.ACTIVE_LIMIT`)"""


@dataclass(frozen=True, slots=True)
class Connector:
    """A registry, declared once by an administrator."""

    namespace: str
    name: str
    generation: int
    address: str
    index_url: str
    """With a trailing slash"""
    upload_url: str
    file_origins: tuple[str, ...]
    secret_name: str | None
    """None: anonymous"""
    ca_secret_name: str | None
    access: Access
    authorization: Authorization
    probe_package: str | None
    """Normalised (PEP 503)"""
    packages: PackagePolicy | None = None
    """None: all that the registry has"""
    max_connections: int = MAX_CONNECTIONS
    """Requests of one Pod at the registry at once"""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


MaybeConnector = Connector | InvalidConnector | None
"""A Connector, one that breaks its contract, or None: there is no Connector of that name"""


def parse_connector(
    manifest: Mapping[str, Any], *, default_namespace: str = "default", insecure_allowed: bool = False
) -> Connector:
    """Read a manifest, or raise `InvalidConnector` with everything that is wrong with it.

    `insecure_allowed` lifts the refusal of http with a Secret: on a laptop nobody else writes hostAliases.
    """
    metadata = _as_mapping(manifest.get("metadata"))
    name = str(metadata.get("name") or "")
    namespace = str(metadata.get("namespace") or default_namespace)
    problems: list[Problem] = []

    def wrong(reason: str, field: str, sentence: str) -> None:
        problems.append(Problem(reason, f"Connector {namespace}/{name}: {field} {sentence}"))

    if not is_subdomain(name):
        wrong("InvalidName", "metadata.name", f"must be a DNS name (RFC 1123), not {name!r}")
    spec = _mapping(manifest.get("spec"), "spec", wrong)
    _check_class(spec.get("connectorClassName"), wrong)
    parameters = _parameters(spec.get("params"), wrong)
    allow, deny = (
        parse_patterns(parameters[one], one, wrong) if one in parameters else () for one in PARAMETERS
    )
    max_connections = _connections(parameters.get("maxConnections"), wrong)
    address = parse_address(spec.get("address"), "spec.address", wrong)
    extensions = _extensions(spec.get("addressExtensions"), wrong)
    secret_name = _auth(_mapping(spec.get("auth"), "spec.auth", wrong), namespace, wrong)
    ca_secret_name = _reference(spec.get("caCertSecretRef"), "spec.caCertSecretRef", namespace, wrong)
    if address and "indexPath" not in parameters and address.path.rstrip("/").endswith("/simple"):
        wrong("InvalidAddress", "spec.address", "ends in /simple, which is added by itself: leave it out")
    if secret_name and not insecure_allowed and parameters.get("allowInsecureHTTP") != "true":
        urls = {"spec.address": address, "spec.addressExtensions upload": extensions.get("upload")}
        _check_secure(urls, wrong)
    if problems or address is None:
        raise InvalidConnector(problems)
    index_path = parameters.get("indexPath", "simple/").strip("/")
    generation = metadata.get("generation")
    return Connector(
        namespace=namespace,
        name=name,
        generation=generation if isinstance(generation, int) else 0,
        address=address.geturl(),
        index_url=address.geturl().rstrip("/") + (f"/{index_path}/" if index_path else "/"),
        upload_url=_upload_url(address, extensions.get("upload")),
        file_origins=_file_origins(address, extensions),
        secret_name=secret_name,
        ca_secret_name=ca_secret_name,
        access="read" if parameters.get("access") == "read" else "readwrite",
        authorization="rbac" if parameters.get("authorization") == "rbac" else "namespace",
        probe_package=normalise(parameters.get("probePackage", "")) or None,
        packages=PackagePolicy(f"{namespace}/{name}", allow, deny) if allow or deny else None,
        max_connections=max_connections,
    )


def _check_class(name: object, wrong: Wrong) -> None:
    if name != names.CONNECTOR_CLASS:
        sentence = f"{name!r} is not known; the only class here is {names.CONNECTOR_CLASS!r}"
        wrong("ConnectorClassNotFound", "spec.connectorClassName", sentence)


def _check_secure(urls: Mapping[str, SplitResult | None], wrong: Wrong) -> None:
    for field, url in urls.items():
        if url and url.scheme == "http":
            wrong(
                "InsecureAddress",
                field,
                "is http, and a Secret would cross the network in clear text: use https, "
                'or set the parameter allowInsecureHTTP to "true"',
            )


def _is_pypi(address: SplitResult) -> bool:
    return address.hostname == "pypi.org" and address.path in ("", "/")


def _upload_url(address: SplitResult, extension: SplitResult | None) -> str:
    if extension:
        return extension.geturl()
    if _is_pypi(address):
        return PYPI_UPLOAD
    # as it was written, for some registries want the slash and some do not; an empty path is one all the same
    return address.geturl() if address.path else address.geturl() + "/"


def _file_origins(address: SplitResult, extensions: Mapping[str, SplitResult]) -> tuple[str, ...]:
    own = [PYPI_FILES] if _is_pypi(address) else []
    named = [f"{url.scheme}://{url.netloc}" for key, url in extensions.items() if key != "upload"]
    return tuple(dict.fromkeys([*own, *named]))


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mapping(value: object, field: str, wrong: Wrong) -> Mapping[str, Any]:
    """An object, or none; another shape is wrong, for what it means would be lost silently."""
    if value is not None and not isinstance(value, Mapping):
        wrong("InvalidShape", field, "must be an object")
    return _as_mapping(value)


def _pairs(value: object, field: str, wrong: Wrong) -> list[tuple[str, str]]:
    if value is None:
        return []
    items = [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(items) != len(value) or any(set(one) != _PAIR for one in items):
        wrong("InvalidShape", field, "must be a list of objects with name and value")
        return []
    pairs = [(str(item["name"]), str(item["value"])) for item in items]
    counts = Counter(name for name, _ in pairs)
    for name in (name for name, count in counts.items() if count > 1):
        wrong("InvalidShape", field, f"has {name!r} twice: keep one")
    return pairs


def _reference(value: object, field: str, namespace: str, wrong: Wrong) -> str | None:
    """The name of a Secret beside the Connector."""
    reference = _mapping(value, field, wrong)
    foreign = reference.get("namespace")
    if foreign and foreign != namespace:
        wrong(
            "ForeignSecret",
            field,
            f"names the namespace {foreign!r}: the Secret must lie beside the Connector, in {namespace!r}",
        )
    if not isinstance(value, Mapping):
        return None
    name = reference.get("name")
    if not isinstance(name, str) or not name:
        # an empty one, as a template may leave it, must not quietly mean anonymous
        wrong("InvalidShape", field, "must have a name")
        return None
    return name


def _parameters(value: object, wrong: Wrong) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in _pairs(value, "spec.params", wrong):
        if name not in _PARAMETERS:
            wrong("InvalidParameter", "spec.params", f"has no {name!r}; known are {', '.join(_PARAMETERS)}")
            continue
        allowed = _PARAMETERS[name]
        if allowed and text not in allowed:
            choices = " or ".join(f'"{one}"' for one in allowed)
            wrong("InvalidParameter", f"spec.params {name}", f"must be {choices}, not {text!r}")
        found[name] = text
    path = found.get("indexPath", "")
    if any(segment in (".", "..") for segment in path.split("/")) or _NO_PATH.search(path):
        wrong(
            "InvalidParameter",
            "spec.params indexPath",
            f"must be a plain path such as +simple/, not {path!r}",
        )
    package = found.get("probePackage", "")
    if package and not _PACKAGE.fullmatch(package):  # it becomes a segment of the probe's path
        sentence = f"must be a package's name such as requests, not {package!r}"
        wrong("InvalidParameter", "spec.params probePackage", sentence)
    return found


def _connections(text: str | None, wrong: Wrong) -> int:
    if text is None:
        return MAX_CONNECTIONS
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > CONNECTIONS_LIMIT:
        sentence = f"must be a whole number from 1 to {CONNECTIONS_LIMIT}, not {text!r}"
        wrong("InvalidParameter", "spec.params maxConnections", sentence)
        return MAX_CONNECTIONS
    return int(text)


def _extensions(value: object, wrong: Wrong) -> dict[str, SplitResult]:
    found: dict[str, SplitResult] = {}
    for name, text in _pairs(value, "spec.addressExtensions", wrong):
        if name != "upload" and not _FILES_EXTENSION.fullmatch(name):
            wrong(
                "InvalidParameter",
                "spec.addressExtensions",
                f"has no {name!r}; known are upload, files and files-2, files-3, …",
            )
            continue
        url = parse_address(text, f"spec.addressExtensions {name}", wrong)
        if url:
            found[name] = url
    return found


def _auth(auth: Mapping[str, Any], namespace: str, wrong: Wrong) -> str | None:
    name = auth.get("name")
    if name is not None and name != names.AUTH_NAME:
        wrong("InvalidAuth", "spec.auth.name", f"must be {names.AUTH_NAME!r}, not {name!r}")
    return _reference(auth.get("secretRef"), "spec.auth.secretRef", namespace, wrong)
