"""Connector manifests as typed values: defaults, addresses, and every problem at once. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

from sidecar.contract.grant import MAX_CONNECTIONS, PackagePolicy
from webhook import names
from webhook.connector import urls
from webhook.connector.address import parse_address
from webhook.connector.fields import as_mapping, read_object, read_pairs, read_reference
from webhook.connector.parameters import Access, Authorization, ExtraIndexes, Parameters, parse_parameters
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InvalidConnector
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

    @property
    def key(self) -> ConnectorKey:
        return ConnectorKey(self.namespace, self.name)


MaybeConnector = Connector | InvalidConnector | None
"""A Connector; an error: it breaks its contract; None: there is no Connector of that name"""


def parse_connector(
    manifest: Mapping[str, Any], *, default_namespace: str = "default", insecure_allowed: bool = False
) -> Connector:
    """Read a manifest, or raise `InvalidConnector` with all of its problems.

    `insecure_allowed` permits http with a Secret: on a laptop nobody else writes hostAliases.
    """
    metadata = as_mapping(manifest.get("metadata"))
    key = ConnectorKey(str(metadata.get("namespace") or default_namespace), str(metadata.get("name") or ""))
    problems = Problems(f"Connector {key}:")
    if not is_subdomain(key.name):
        sentence = f"metadata.name must be a DNS name (RFC 1123), not {key.name!r}"
        problems.add(ConnectorReason.INVALID_NAME, sentence)
    spec = _read_spec(manifest.get("spec"), key.namespace, problems)
    if not insecure_allowed:
        _check_secure(spec, problems)
    problems.raise_any(InvalidConnector)
    assert spec.address is not None  # noqa: S101 (else there is a problem)
    parameters = spec.parameters
    return Connector(
        namespace=key.namespace,
        name=key.name,
        generation=_generation(metadata),
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
    )


def find_connector(manifest: Mapping[str, Any] | None) -> MaybeConnector:
    """The Connector of a manifest that may be absent. `InvalidConnector` is returned, not raised."""
    try:
        return parse_connector(manifest) if manifest else None
    except InvalidConnector as error:
        return error


@dataclass(frozen=True, slots=True)
class _Spec:
    """The fields of `spec`, each read by itself."""

    parameters: Parameters
    address: SplitResult | None
    """None: it is wrong, and there is a problem"""
    extensions: Mapping[str, SplitResult]
    secret_name: str | None
    ca_secret_name: str | None

    @property
    def upload(self) -> SplitResult | None:
        return self.extensions.get("upload")


def _read_spec(value: object, namespace: str, problems: Problems) -> _Spec:
    spec = read_object(value, "spec", problems)
    _check_class(spec.get("connectorClassName"), problems)
    parameters = parse_parameters(spec.get("params"), problems)
    address = _read_address(spec.get("address"), "spec.address", problems)
    extensions = _read_extensions(spec.get("addressExtensions"), problems)
    secret_name = _read_auth(spec.get("auth"), namespace, problems)
    ca_reference = spec.get("caCertSecretRef")
    ca_secret_name = read_reference(ca_reference, "spec.caCertSecretRef", namespace, problems)
    if address and parameters.index_path is None and address.path.rstrip("/").endswith("/simple"):
        sentence = "spec.address ends in /simple, which is added by itself"
        problems.add(ConnectorReason.INVALID_ADDRESS, sentence, "leave it out")
    return _Spec(parameters, address, extensions, secret_name, ca_secret_name)


def _check_class(name: object, problems: Problems) -> None:
    only = f"the only class here is {names.CONNECTOR_CLASS!r}"
    if name is None or name == "":
        problems.add(ConnectorReason.CONNECTOR_CLASS_NOT_FOUND, "spec.connectorClassName is missing", only)
    elif name != names.CONNECTOR_CLASS:
        sentence = f"spec.connectorClassName {name!r} is not known; {only}"
        problems.add(ConnectorReason.CONNECTOR_CLASS_NOT_FOUND, sentence)


def _check_secure(spec: _Spec, problems: Problems) -> None:
    """A Secret must not cross the network in clear text, unless the manifest allows it."""
    if spec.secret_name is None or spec.parameters.allows_insecure_http:
        return
    for field, url in (("spec.address", spec.address), ("spec.addressExtensions upload", spec.upload)):
        if url and url.scheme == "http":
            problems.add(
                ConnectorReason.INSECURE_ADDRESS,
                f"{field} is http, and a Secret would cross the network in clear text",
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


def _read_auth(value: object, namespace: str, problems: Problems) -> str | None:
    """The name of the Secret; None: anonymous."""
    auth = read_object(value, "spec.auth", problems)
    name = auth.get("name")
    if name is not None and name != names.AUTH_NAME:
        sentence = f"spec.auth.name must be {names.AUTH_NAME!r}, not {name!r}"
        problems.add(ConnectorReason.INVALID_AUTH, sentence)
    return read_reference(auth.get("secretRef"), "spec.auth.secretRef", namespace, problems)
