"""What a Connector of the cluster is worth: itself and the Secrets that it names, read, or what is wrong.

Secrets are read by `get` alone, each time: whoever may list or watch them sees those of everybody.
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
"""Namespace and name to the Secret, None: there is none"""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found."""

    problems: tuple[Problem, ...]
    has_secret: bool | None
    """Whether one is named; None, as the next: the Connector itself could not be read"""
    has_ca: bool | None
    registry: RegistryAccess | None
    """What can be asked; None if there are problems"""
    versions: Versions


async def inspect(manifest: Mapping[str, Any], read: ReadSecret, *, class_exists: bool) -> Inspection:
    """`ClusterUnavailable` where no answer was to be had: then nothing is known, and nothing wrong."""
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
    """A refusal of the API server is a fault of the set-up, told like one of the Secret."""
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
