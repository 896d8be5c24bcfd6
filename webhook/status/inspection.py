"""Reads a Connector and the Secrets that it names, and validates them.

Secrets are read by `get` only, each time: the right to list or watch them would reveal all Secrets.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.connector.credentials import parse_ca, parse_credential, secret_forbidden
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import RegistryAccess
from webhook.connector.secret import SecretManifest
from webhook.errors import ClusterRefused, Forbidden, InvalidConnector, InvalidSecret, Problem
from webhook.status.reported import Versions

ReadSecret = Callable[[str, str], Awaitable[SecretManifest | None]]
"""Namespace and name → the Secret, or None if it does not exist"""


@dataclass(frozen=True, slots=True)
class Inspection:
    """A Connector and its Secrets, or their problems."""

    problems: tuple[Problem, ...]
    has_secret: bool | None
    """Whether the Connector names a Secret. None, here and in `has_ca`: the Connector itself is invalid"""
    has_ca: bool | None
    registry: RegistryAccess | None
    """Access to the registry; None if there are problems"""
    versions: Versions


async def inspect(manifest: Mapping[str, Any], read: ReadSecret, *, class_exists: bool) -> Inspection:
    """Raises `ClusterUnavailable` if the API server does not answer: that is no problem of the Connector."""
    try:
        connector = parse_connector(manifest)
    except InvalidConnector as error:
        return Inspection(tuple(error.problems), None, None, None, Versions())
    problems: list[Problem] = [] if class_exists else [_class_not_found()]

    secret = ca_secret = credential = ca = None
    try:
        secret = await _read(read, connector.namespace, connector.secret_name, is_ca=False)
        credential = parse_credential(connector, secret)
    except InvalidSecret as error:
        problems += error.problems
    try:
        ca_secret = await _read(read, connector.namespace, connector.ca_secret_name, is_ca=True)
        ca = parse_ca(connector, ca_secret)
    except InvalidSecret as error:
        problems += error.problems
    return Inspection(
        problems=tuple(problems),
        has_secret=connector.secret_name is not None,
        has_ca=connector.ca_secret_name is not None,
        registry=None if problems else RegistryAccess(connector, credential, ca),
        versions=Versions(_revision(secret), _revision(ca_secret)),
    )


async def _read(read: ReadSecret, namespace: str, name: str | None, *, is_ca: bool) -> SecretManifest | None:
    """A refusal of the API server is a fault of the installation, reported as a problem of the Secret."""
    if name is None:
        return None
    try:
        return await read(namespace, name)
    except Forbidden as error:
        raise InvalidSecret([secret_forbidden(namespace, name, is_ca=is_ca)]) from error
    except ClusterRefused as error:
        reason = "CASecretUnreadable" if is_ca else "SecretUnreadable"
        raise InvalidSecret.of(reason, f'secret "{name}" cannot be read: {error}') from error


def _revision(secret: SecretManifest | None) -> str:
    return secret.revision if secret else ""


def _class_not_found() -> Problem:
    name = names.CONNECTOR_CLASS
    sentence = f'connectorclasses.{names.GROUP} "{name}" not found: a start of the broker creates it'
    return Problem("ConnectorClassNotFound", sentence)
