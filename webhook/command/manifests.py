"""Manifest files of the command line: YAML documents in, Connectors with their Secrets or problems out.

`kubectl apply` takes the same files: any number of documents, in any number of files, in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

from webhook import names
from webhook.command.lists import objects
from webhook.command.yaml_files import label, read_yaml
from webhook.connector.connector_class import (
    BUILT_IN_CLASSES,
    Classes,
    MaybeClass,
    parse_class,
    with_default_class,
)
from webhook.connector.credentials import MaybeSecret
from webhook.connector.fields import as_mapping
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
DEMANDS = ("LimitRange", "ResourceQuota", "Namespace")
"""Kinds that say what a namespace wants of its Pods. Only `inject` has use for them."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifests in the files, by kind."""

    connectors: Mapping[ConnectorKey, Mapping[str, Any]]
    """As they are written: `parse` reads one, with its class"""
    secrets: Mapping[tuple[str, str], SecretManifest]
    """By namespace and name"""
    default_namespace: str = DEFAULT_NAMESPACE
    demands: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """The objects of the kinds `DEMANDS`, each with its namespace"""
    classes: Classes = field(default_factory=lambda: BUILT_IN_CLASSES)

    def parse(self, key: ConnectorKey, *, insecure_allowed: bool = False) -> Connector:
        """`InvalidConnector` has the problems of the Connector, and those of its class."""
        return parse_connector(
            self.connectors[key],
            default_namespace=key.namespace,
            insecure_allowed=insecure_allowed,
            classes=self.classes,
        )


def load(sources: Sequence[str], *, default_namespace: str = DEFAULT_NAMESPACE) -> Manifests:
    """Read all files. `InputError` has the problems of all of them."""
    problems = Problems()
    connectors: dict[ConnectorKey, Mapping[str, Any]] = {}
    secrets: dict[tuple[str, str], SecretManifest] = {}
    demands: list[tuple[str, Mapping[str, Any]]] = []
    classes: dict[str, MaybeClass] = {}
    for source in sources:
        documents: list[Any] = []
        with problems.collecting():
            documents += (item for document in read_yaml(source) for _, item in objects(document))
        for number, document in enumerate(documents, start=1):
            identity = _identify(document, f"{label(source)}: document {number}", default_namespace)
            if isinstance(identity, Problem):
                problems.extend([identity])
            elif document["kind"] == "Connector":
                connectors[ConnectorKey(*identity)] = document
            elif document["kind"] == "Secret":
                secrets[identity] = parse_secret(document, digest_key=_DIGEST_KEY)
            elif document["kind"] == "ConnectorClass":
                with problems.collecting():
                    classes[identity[1]] = parse_class(document)
            elif document["kind"] in DEMANDS:
                demands.append((namespace_of(document, default_namespace), document))
    problems.raise_any()
    return Manifests(connectors, secrets, default_namespace, demands, with_default_class(classes))


def choose_in_order(manifests: Manifests, listed: str | None) -> list[ConnectorKey]:
    """The keys of a comma list, each once; without a list, the key of the only Connector."""
    if listed is None:
        return [choose(manifests, None)]
    return list(dict.fromkeys(choose(manifests, name.strip()) for name in listed.split(",")))


def namespace_of(demand: Mapping[str, Any], default_namespace: str) -> str:
    """The namespace whose Pods an object of `DEMANDS` is about."""
    metadata = as_mapping(demand.get("metadata"))
    field = "name" if demand.get("kind") == "Namespace" else "namespace"
    return str(metadata.get(field) or default_namespace)


def choose(manifests: Manifests, name: str | None) -> ConnectorKey:
    """The key of the only Connector, or of the Connector called `name` or `namespace/name`."""
    keys = sorted(manifests.connectors)
    listed = ", ".join(map(str, keys))
    if not keys:
        raise InputError.of("ConnectorNotFound", "the files hold no Connector: add one with -f")
    if name is None:
        if len(keys) > 1:
            sentence = f"the files hold several Connectors: choose one with --connector ({listed})"
            raise InputError.of("ConnectorAmbiguous", sentence)
        return keys[0]
    matching = [key for key in keys if name in (key.name, str(key))]
    if len(matching) != 1:
        how = "several Connectors are" if matching else "no Connector is"
        raise InputError.of("ConnectorNotFound", f"{how} called {name!r}; the files hold {listed}")
    return matching[0]


def resolve(manifests: Manifests, key: ConnectorKey, *, insecure_allowed: bool = False) -> RegistryAccess:
    """The Connector with credential and CA. `InputError` has the problems of all three manifests."""
    manifest, default = manifests.connectors[key], manifests.default_namespace
    problems = Problems()
    try:
        connector = manifests.parse(key, insecure_allowed=insecure_allowed)
    except InvalidConnector as error:
        problems.extend(error.problems)
        connector = _with_its_secrets_only(manifest, default, error)
    login = _secret(manifests, connector, connector.secret_name)
    secrets = Secrets(login, _secret(manifests, connector, connector.ca_secret_name))
    with problems.collecting():
        access = parse_access(connector, secrets)
    problems.raise_any()
    return access


def _with_its_secrets_only(
    manifest: Mapping[str, Any], default_namespace: str, error: InvalidConnector
) -> Connector:
    """A stand-in for an invalid Connector: through it, its Secrets can still be checked."""
    spec = manifest.get("spec")
    fields = spec if isinstance(spec, dict) else {}
    references = {key: fields[key] for key in ("auth", "caCertSecretRef") if key in fields}
    required = {"connectorClassName": names.CONNECTOR_CLASS, "address": "https://registry.invalid"}
    stand_in = {**required, **references}
    try:
        return parse_connector({**manifest, "spec": stand_in}, default_namespace=default_namespace)
    except InvalidConnector:
        raise error from None


def _secret(manifests: Manifests, connector: Connector, name: str | None) -> MaybeSecret:
    if name is None:
        return None
    secret = manifests.secrets.get((connector.namespace, name))
    elsewhere = [namespace for namespace, secret_name in manifests.secrets if secret_name == name]
    if secret is None and elsewhere:
        return Problem(
            ConnectorReason.SECRET_NOT_FOUND,
            f'secret "{name}" lies in namespace "{elsewhere[0]}", and Connector {connector.key} needs it in '
            f'its own, "{connector.namespace}"',
            "move one of them",
        )
    return secret


def _identify(document: Any, where: str, default_namespace: str) -> tuple[str, str] | Problem:
    if not isinstance(document, Mapping) or not document.get("kind"):
        return Problem("InvalidDocument", f"{where} is no Kubernetes object: it has no kind")
    kind = document["kind"]
    if kind not in _KINDS + DEMANDS:
        listed = ", ".join(_KINDS + DEMANDS)
        sentence = f"{where} is of kind {kind}; here only {listed} are read: leave it out"
        return Problem("UnexpectedKind", sentence)
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        return Problem("InvalidDocument", f"{where}: the {kind} has no metadata.name")
    return str(metadata.get("namespace") or default_namespace), str(metadata["name"])
