"""Connector manifests as typed values: defaults, addresses, and every problem at once. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult

from sidecar.contract.grant import MAX_CONNECTIONS, PackagePolicy
from webhook import names
from webhook.connector import urls
from webhook.connector.address import parse_address
from webhook.connector.class_parameters import check_values, own_names, with_defaults
from webhook.connector.connector_class import (
    BUILT_IN_CLASSES,
    DEFAULT_CLASS,
    AuthType,
    Classes,
    ConnectorClass,
)
from webhook.connector.fields import as_mapping, read_object, read_pairs, read_reference
from webhook.connector.parameters import (
    Access,
    Authorization,
    ExtraIndexes,
    Parameters,
    parse_texts,
    read_texts,
)
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InvalidClass, InvalidConnector
from webhook.identifiers import ConnectorKey, is_subdomain
from webhook.problems import Problems

_FILES_EXTENSION = re.compile(r"files(-[1-9][0-9]*)?")


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
    file_prefixes: tuple[str, ...] = ()
    """URLs of the registry's own origin below which the credential opens files; without a slash at the end"""
    extra_indexes: ExtraIndexes = "warn"
    secret_type: str = names.SECRET_TYPE
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """All texts, with the defaults of the class: for templates. The typed fields say the same"""
    connector_class: ConnectorClass = field(default=DEFAULT_CLASS, repr=False)

    @property
    def key(self) -> ConnectorKey:
        return ConnectorKey(self.namespace, self.name)


MaybeConnector = Connector | InvalidConnector | None
"""A Connector; an error: it breaks its contract; None: there is no Connector of that name"""


def parse_connector(
    manifest: Mapping[str, Any],
    *,
    default_namespace: str = "default",
    insecure_allowed: bool = False,
    classes: Classes = BUILT_IN_CLASSES,
) -> Connector:
    """Read a manifest, or raise `InvalidConnector` with all of its problems.

    `classes` has the Connector's class, if that exists: see `class_name`.
    `insecure_allowed` permits http with a Secret: on a laptop nobody else writes hostAliases.
    """
    metadata = as_mapping(manifest.get("metadata"))
    key = ConnectorKey(str(metadata.get("namespace") or default_namespace), str(metadata.get("name") or ""))
    problems = Problems(f"Connector {key}:")
    if not is_subdomain(key.name):
        sentence = f"metadata.name must be a DNS name (RFC 1123), not {key.name!r}"
        problems.add(ConnectorReason.INVALID_NAME, sentence)
    spec = _read_spec(manifest.get("spec"), key.namespace, classes, problems)
    if not insecure_allowed:
        _check_secure(spec, problems)
    problems.raise_any(InvalidConnector)
    return _connector(key, _generation(metadata), spec)


def _connector(key: ConnectorKey, generation: int, spec: "_Spec") -> Connector:
    """Of a specification without problems."""
    assert spec.address is not None  # noqa: S101 (else there is a problem)
    parameters = spec.parameters
    return Connector(
        namespace=key.namespace,
        name=key.name,
        generation=generation,
        address=spec.address.geturl(),
        index_url=urls.index_url(spec.address, parameters.index_path),
        upload_url=urls.upload_url(spec.address, spec.upload),
        file_origins=urls.file_origins(spec.address, spec.extensions),
        secret_name=spec.secret_name,
        ca_secret_name=spec.ca_secret_name,
        access=parameters.access,
        authorization=parameters.authorization,
        probe_package=parameters.probe_package,
        packages=parameters.policy(str(key)),
        max_connections=parameters.max_connections,
        file_prefixes=urls.file_prefixes(spec.address, spec.extensions),
        extra_indexes=parameters.extra_indexes,
        secret_type=spec.auth_type.secret_type,
        params=tuple(spec.texts.items()),
        connector_class=spec.connector_class,
    )


def class_name(manifest: Mapping[str, Any]) -> str:
    """The class that a manifest names; empty: none."""
    name = as_mapping(manifest.get("spec")).get("connectorClassName")
    return name if isinstance(name, str) else ""


def find_connector(manifest: Mapping[str, Any] | None, classes: Classes = BUILT_IN_CLASSES) -> MaybeConnector:
    """The Connector of a manifest that may be absent. `InvalidConnector` is returned, not raised."""
    try:
        return parse_connector(manifest, classes=classes) if manifest else None
    except InvalidConnector as error:
        return error


@dataclass(frozen=True, slots=True)
class _Spec:
    """The fields of `spec`, each read by itself."""

    connector_class: ConnectorClass
    parameters: Parameters
    texts: Mapping[str, str]
    """The parameters as they are written"""
    auth_type: AuthType
    address: SplitResult | None
    """None: it is wrong, and there is a problem"""
    extensions: Mapping[str, SplitResult]
    secret_name: str | None
    ca_secret_name: str | None

    @property
    def upload(self) -> SplitResult | None:
        return self.extensions.get("upload")


def _read_spec(value: object, namespace: str, classes: Classes, problems: Problems) -> _Spec:
    spec = read_object(value, "spec", problems)
    connector_class = _read_class(spec.get("connectorClassName"), classes, problems)
    own = own_names(connector_class.parameters)
    texts = with_defaults(read_texts(spec.get("params"), problems, own), connector_class.parameters)
    check_values(texts, connector_class.parameters, connector_class.name, problems)
    parameters = parse_texts(texts, problems)
    address = _read_address(spec.get("address"), "spec.address", problems)
    extensions = _read_extensions(spec.get("addressExtensions"), problems)
    secret_name, auth_type = _read_auth(spec.get("auth"), namespace, connector_class, problems)
    ca_reference = spec.get("caCertSecretRef")
    ca_secret_name = read_reference(ca_reference, "spec.caCertSecretRef", namespace, problems)
    if address and parameters.index_path is None and address.path.rstrip("/").endswith("/simple"):
        sentence = "spec.address ends in /simple, which is added by itself"
        problems.add(ConnectorReason.INVALID_ADDRESS, sentence, "leave it out")
    return _Spec(
        connector_class, parameters, texts, auth_type, address, extensions, secret_name, ca_secret_name
    )


def _read_class(name: object, classes: Classes, problems: Problems) -> ConnectorClass:
    """The class, or the default in its place: the problem refuses the Connector anyway."""
    found = classes.get(name) if isinstance(name, str) else None
    if isinstance(found, ConnectorClass):
        return found
    if isinstance(found, InvalidClass):
        problems.add(ConnectorReason.CONNECTOR_CLASS_INVALID, f"its class cannot be used: {found}")
    elif name is None or name == "":
        fix = f"say {names.CONNECTOR_CLASS!r}, or a ConnectorClass of your own"
        problems.add(ConnectorReason.CONNECTOR_CLASS_NOT_FOUND, "spec.connectorClassName is missing", fix)
    else:
        sentence = f"spec.connectorClassName {name!r}: there is no ConnectorClass of that name"
        fix = f"create it, or say {names.CONNECTOR_CLASS!r}"
        problems.add(ConnectorReason.CONNECTOR_CLASS_NOT_FOUND, sentence, fix)
    return DEFAULT_CLASS


def _check_secure(spec: _Spec, problems: Problems) -> None:
    """A Secret must not cross the network in clear text, unless the manifest allows it."""
    if spec.secret_name is None or spec.parameters.allows_insecure_http:
        return
    for place, url in (("spec.address", spec.address), ("spec.addressExtensions upload", spec.upload)):
        if url and url.scheme == "http":
            problems.add(
                ConnectorReason.INSECURE_ADDRESS,
                f"{place} is http, and a Secret would cross the network in clear text",
                'use https, or set the parameter allowInsecureHTTP to "true"',
            )


def _generation(metadata: Mapping[str, Any]) -> int:
    generation = metadata.get("generation")
    return generation if isinstance(generation, int) else 0


def _read_address(value: object, field: str, problems: Problems) -> SplitResult | None:
    reason = ConnectorReason.INVALID_ADDRESS
    return problems.read(parse_address, value, place=field, reason=reason, default=None)


def _read_extensions(value: object, problems: Problems) -> dict[str, SplitResult]:
    urls: dict[str, SplitResult] = {}
    for name, text in read_pairs(value, "spec.addressExtensions", problems):
        if name != "upload" and not _FILES_EXTENSION.fullmatch(name):
            sentence = (
                f"spec.addressExtensions has no {name!r}; known are upload, files and files-2, files-3, …"
            )
            problems.add(ConnectorReason.INVALID_PARAMETER, sentence)
            continue
        url = _read_address(text, f"spec.addressExtensions {name}", problems)
        if url:
            urls[name] = url
    return urls


def _read_auth(
    value: object, namespace: str, connector_class: ConnectorClass, problems: Problems
) -> tuple[str | None, AuthType]:
    """The name of the Secret (None: anonymous), and what the class says of it."""
    auth = read_object(value, "spec.auth", problems)
    types = {kind.name: kind for kind in connector_class.auth_types}
    first = connector_class.auth_types[0]
    name = auth.get("name")
    kind = first if name is None else types.get(name) if isinstance(name, str) else None
    if kind is None:
        listed = " or ".join(map(repr, types))
        sentence = f"spec.auth.name must be {listed}, not {name!r}"
        problems.add(ConnectorReason.INVALID_AUTH, sentence)
    reference = auth.get("secretRef")
    secret_name = read_reference(reference, "spec.auth.secretRef", namespace, problems)
    if kind and not kind.is_optional and reference is None:
        sentence = f"spec.auth.secretRef is missing: the class {connector_class.name!r} demands a Secret"
        problems.add(ConnectorReason.SECRET_REQUIRED, sentence, f"name one of type {kind.secret_type}")
    return secret_name, kind or first
