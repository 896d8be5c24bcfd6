"""Manifest files of the command line: YAML documents in, Connectors with their Secrets out, or the problems.

The same files that `kubectl apply` takes: any number of documents, in any number of files, in any order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any

from webhook import names
from webhook.command.yaml_files import label, read_yaml
from webhook.connector.credentials import MaybeSecret
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.reasons import ConnectorReason
from webhook.connector.registry import RegistryAccess, Secrets, parse_access
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.errors import InputError, InvalidConnector, Problem
from webhook.identifiers import ConnectorKey
from webhook.problems import Problems

DEFAULT_NAMESPACE = "default"
_DIGEST_KEY = token_bytes(32)
_KINDS = ("Connector", "ConnectorClass", "Secret")


@dataclass(frozen=True, slots=True)
class Documents:
    """What the files hold, by kind."""

    connectors: Mapping[ConnectorKey, Mapping[str, Any]]
    secrets: Mapping[tuple[str, str], SecretManifest]
    """By namespace and name"""
    default_namespace: str = DEFAULT_NAMESPACE


def load(sources: Sequence[str], *, default_namespace: str = DEFAULT_NAMESPACE) -> Documents:
    """Read all files; every problem of every file is reported together."""
    problems = Problems()
    connectors: dict[ConnectorKey, Mapping[str, Any]] = {}
    secrets: dict[tuple[str, str], SecretManifest] = {}
    for source in sources:
        documents: list[Any] = []
        with problems.collecting():
            documents = list(_flatten(read_yaml(source)))
        for number, document in enumerate(documents, start=1):
            found = _identify(document, f"{label(source)}: document {number}", default_namespace)
            if isinstance(found, Problem):
                problems.extend([found])
            elif document["kind"] == "Connector":
                connectors[ConnectorKey(*found)] = document
            elif document["kind"] == "Secret":
                secrets[found] = parse_secret(document, digest_key=_DIGEST_KEY)
    problems.raise_any()
    return Documents(connectors, secrets, default_namespace)


def choose(documents: Documents, wanted: str | None) -> ConnectorKey:
    """The key of the one Connector, or of the one called `name` or `namespace/name`."""
    keys = sorted(documents.connectors)
    listed = ", ".join(map(str, keys))
    if not keys:
        raise InputError.of("ConnectorNotFound", "the files hold no Connector: add one with -f")
    if wanted is None:
        if len(keys) > 1:
            sentence = f"the files hold several Connectors: choose one with --connector ({listed})"
            raise InputError.of("ConnectorAmbiguous", sentence)
        return keys[0]
    found = [key for key in keys if wanted in (key.name, str(key))]
    if len(found) != 1:
        how = "several Connectors are" if found else "no Connector is"
        raise InputError.of("ConnectorNotFound", f"{how} called {wanted!r}; the files hold {listed}")
    return found[0]


def resolve(documents: Documents, key: ConnectorKey, *, insecure_allowed: bool = False) -> RegistryAccess:
    """The Connector with credential and CA; `InputError` with all that is wrong in the three documents."""
    manifest, default = documents.connectors[key], documents.default_namespace
    problems = Problems()
    try:
        connector = parse_connector(manifest, default_namespace=default, insecure_allowed=insecure_allowed)
    except InvalidConnector as error:
        problems.extend(error.problems)
        connector = _with_its_secrets_only(manifest, default, error)
    login = _secret(documents, connector, connector.secret_name)
    secrets = Secrets(login, _secret(documents, connector, connector.ca_secret_name))
    with problems.collecting():
        access = parse_access(connector, secrets)
    problems.raise_any()
    return access


def _with_its_secrets_only(
    manifest: Mapping[str, Any], default_namespace: str, error: InvalidConnector
) -> Connector:
    """A stand-in for a broken Connector, by which its Secrets can be looked at all the same."""
    spec = manifest.get("spec")
    kept = (
        {key: spec[key] for key in ("auth", "caCertSecretRef") if key in spec}
        if isinstance(spec, dict)
        else {}
    )
    stand_in = {"connectorClassName": names.CONNECTOR_CLASS, "address": "https://registry.invalid", **kept}
    try:
        return parse_connector({**manifest, "spec": stand_in}, default_namespace=default_namespace)
    except InvalidConnector:
        raise error from None


def _secret(documents: Documents, connector: Connector, name: str | None) -> MaybeSecret:
    if name is None:
        return None
    found = documents.secrets.get((connector.namespace, name))
    elsewhere = [namespace for namespace, other in documents.secrets if other == name]
    if found is None and elsewhere:
        return Problem(
            ConnectorReason.SECRET_NOT_FOUND,
            f'secret "{name}" lies in namespace "{elsewhere[0]}", and Connector {connector.key} needs it in '
            f'its own, "{connector.namespace}"',
            "move one of them",
        )
    return found


def _flatten(documents: Iterable[Any]) -> Iterable[Any]:
    for document in documents:
        items = document.get("items") if isinstance(document, Mapping) else None
        if isinstance(items, list) and document.get("kind") == "List":
            yield from _flatten(items)
        else:
            yield document


def _identify(document: Any, where: str, default_namespace: str) -> tuple[str, str] | Problem:
    if not isinstance(document, Mapping) or not document.get("kind"):
        return Problem("InvalidDocument", f"{where} is no Kubernetes object: it has no kind")
    kind = document["kind"]
    if kind not in _KINDS:
        sentence = f"{where} is of kind {kind}; here only {', '.join(_KINDS)} are read: leave it out"
        return Problem("UnexpectedKind", sentence)
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        return Problem("InvalidDocument", f"{where}: the {kind} has no metadata.name")
    return str(metadata.get("namespace") or default_namespace), str(metadata["name"])
