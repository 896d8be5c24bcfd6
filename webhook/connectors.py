"""Connector manifests as typed values: defaults, the shape of addresses, and every problem at once. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from webhook import names
from webhook.errors import InvalidConnector, Problem

PYPI_UPLOAD = "https://upload.pypi.org/legacy/"
PYPI_FILES = "https://files.pythonhosted.org"

Access = Literal["read", "readwrite"]
Authorization = Literal["namespace", "rbac"]

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_FILES_EXTENSION = re.compile(r"files(-[1-9][0-9]*)?")
_PARAMETERS: Mapping[str, tuple[str, ...] | None] = {
    "indexPath": None,
    "probePackage": None,
    "access": ("read", "readwrite"),
    "authorization": ("namespace", "rbac"),
    "allowInsecureHTTP": ("true", "false"),
}
"""Name of a parameter → its allowed values, None where any text is."""


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

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse_connector(
    manifest: Mapping[str, Any], *, default_namespace: str = "default", insecure_allowed: bool = False
) -> Connector:
    """Read a manifest, or raise `InvalidConnector` with everything that is wrong with it.

    `insecure_allowed` lifts the refusal of http with a Secret: on a laptop nobody else writes hostAliases.
    """
    metadata = _mapping(manifest.get("metadata"))
    spec = _mapping(manifest.get("spec"))
    name = str(metadata.get("name") or "")
    namespace = str(metadata.get("namespace") or default_namespace)
    problems: list[Problem] = []

    def wrong(reason: str, field: str, sentence: str) -> None:
        problems.append(Problem(reason, f"Connector {namespace}/{name}: {field} {sentence}"))

    if not _DNS_NAME.fullmatch(name):
        wrong("InvalidName", "metadata.name", f"must be a DNS name (RFC 1123), not {name!r}")
    class_name = spec.get("connectorClassName")
    if class_name != names.CONNECTOR_CLASS:
        wrong(
            "ConnectorClassNotFound",
            "spec.connectorClassName",
            f"{class_name!r} is not known; the only class here is {names.CONNECTOR_CLASS!r}",
        )
    parameters = _parameters(spec.get("params"), wrong)
    address = _address(spec.get("address"), "spec.address", wrong)
    extensions = _extensions(spec.get("addressExtensions"), wrong)
    secret_name = _auth(_mapping(spec.get("auth")), namespace, wrong)
    index_path = parameters.get("indexPath", "simple/").strip("/") + "/"
    if address and "indexPath" not in parameters and address.path.rstrip("/").endswith("/simple"):
        wrong("InvalidAddress", "spec.address", "ends in /simple, which is added by itself: leave it out")
    secure = insecure_allowed or parameters.get("allowInsecureHTTP") == "true"
    if secret_name and not secure:
        for field, url in [
            ("spec.address", address),
            ("spec.addressExtensions upload", extensions.get("upload")),
        ]:
            if url and url.scheme == "http":
                wrong(
                    "InsecureAddress",
                    field,
                    "is http, and a Secret would cross the network in clear text: use https, "
                    'or set the parameter allowInsecureHTTP to "true"',
                )
    if problems or address is None:
        raise InvalidConnector(problems)
    base = address.geturl()
    is_pypi = address.hostname == "pypi.org" and address.path in ("", "/")
    upload = extensions.get("upload")
    files = [f"{url.scheme}://{url.netloc}" for key, url in extensions.items() if key != "upload"]
    return Connector(
        namespace=namespace,
        name=name,
        generation=int(metadata.get("generation") or 0),
        address=base,
        index_url=f"{base.rstrip('/')}/{index_path.lstrip('/')}",
        upload_url=upload.geturl()
        if upload
        else PYPI_UPLOAD
        if is_pypi
        else base
        if address.path
        else base + "/",
        file_origins=tuple(dict.fromkeys([*([PYPI_FILES] if is_pypi else []), *files])),
        secret_name=secret_name,
        ca_secret_name=_mapping(spec.get("caCertSecretRef")).get("name"),
        access="read" if parameters.get("access") == "read" else "readwrite",
        authorization="rbac" if parameters.get("authorization") == "rbac" else "namespace",
        probe_package=parameters.get("probePackage"),
    )


_Wrong = Callable[[str, str, str], None]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pairs(value: object) -> list[tuple[str, str]]:
    items = value if isinstance(value, list) else []
    return [(str(_mapping(item).get("name")), str(_mapping(item).get("value"))) for item in items]


def _parameters(value: object, wrong: _Wrong) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in _pairs(value):
        if name not in _PARAMETERS:
            wrong("InvalidParameter", "spec.params", f"has no {name!r}; known are {', '.join(_PARAMETERS)}")
            continue
        allowed = _PARAMETERS[name]
        if allowed and text not in allowed:
            choices = " or ".join(f'"{one}"' for one in allowed)
            wrong("InvalidParameter", f"spec.params {name}", f"must be {choices}, not {text!r}")
        found[name] = text
    path = found.get("indexPath", "")
    if any(segment in (".", "..") for segment in path.split("/")) or re.search(r"[?#%\\\s]|//", path):
        wrong(
            "InvalidParameter",
            "spec.params indexPath",
            f"must be a plain path such as +simple/, not {path!r}",
        )
    return found


def _address(value: object, field: str, wrong: _Wrong) -> SplitResult | None:
    """An http or https URL without userinfo, query and fragment. The sentence never quotes the userinfo."""
    if not isinstance(value, str) or not value:
        wrong("InvalidAddress", field, "is missing: give the registry's URL")
        return None
    try:
        url = urlsplit(value)
        port_known = url.port is None or url.port > 0
    except ValueError:
        wrong("InvalidAddress", field, "is not a URL")
        return None
    sentence = None
    if url.username is not None or url.password is not None or "@" in url.netloc:
        sentence = "must not hold a user name or password: put them into the Secret of spec.auth.secretRef"
    elif url.scheme not in ("http", "https"):
        sentence = f"must begin with https:// or http://, not {url.scheme or 'no scheme'!r}"
    elif not url.hostname or not port_known:
        sentence = "has no host"
    elif url.query or "?" in value:
        sentence = "must not have a query"
    elif url.fragment or "#" in value:
        sentence = "must not have a fragment"
    elif not value.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", value):
        sentence = "must be ASCII without spaces (an international host in its xn-- form)"
    elif (
        any(part.lower() in (".", "..", "%2e", "%2e%2e") for part in url.path.split("/")) or "//" in url.path
    ):
        sentence = "must not have empty or dot segments in its path"
    if sentence:
        wrong("InvalidAddress", field, sentence)
        return None
    return url


def _extensions(value: object, wrong: _Wrong) -> dict[str, SplitResult]:
    found: dict[str, SplitResult] = {}
    for name, text in _pairs(value):
        if name != "upload" and not _FILES_EXTENSION.fullmatch(name):
            wrong(
                "InvalidParameter",
                "spec.addressExtensions",
                f"has no {name!r}; known are upload, files and files-2, files-3, …",
            )
            continue
        url = _address(text, f"spec.addressExtensions {name}", wrong)
        if url:
            found[name] = url
    return found


def _auth(auth: Mapping[str, Any], namespace: str, wrong: _Wrong) -> str | None:
    reference = _mapping(auth.get("secretRef"))
    name = auth.get("name")
    if name is not None and name != names.AUTH_NAME:
        wrong("InvalidAuth", "spec.auth.name", f"must be {names.AUTH_NAME!r}, not {name!r}")
    foreign = reference.get("namespace")
    if foreign and foreign != namespace:
        wrong(
            "ForeignSecret",
            "spec.auth.secretRef",
            f"names the namespace {foreign!r}: the Secret must lie beside the Connector, in {namespace!r}",
        )
    secret = reference.get("name")
    return str(secret) if secret else None
