"""Reads a Connector and the Secrets that it names, and validates them.

Secrets are read by `get` only, each time: the right to list or watch them would reveal all Secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.connector.connector_class import BUILT_IN_CLASSES, Classes
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import ReadSecret, RegistryAccess, parse_access, read_secrets
from webhook.errors import ClusterRefused, InvalidConnector, Problem
from webhook.problems import Problems
from webhook.status.reported import Versions


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
    secret_warning: Problem | None = None
    class_name: str = names.CONNECTOR_CLASS


async def inspect(
    manifest: Mapping[str, Any], read: ReadSecret, *, classes: Classes = BUILT_IN_CLASSES
) -> Inspection:
    """Raises `ClusterUnavailable` if the API server does not answer: that is no problem of the Connector."""
    try:
        connector = parse_connector(manifest, classes=classes)
    except InvalidConnector as error:
        return Inspection(tuple(error.problems), None, None, None, Versions())
    problems = Problems()
    secrets = await read_secrets(connector, read, refusals=ClusterRefused)
    registry = None
    with problems.collecting():
        registry = parse_access(connector, secrets)
    return Inspection(
        problems=tuple(problems),
        has_secret=connector.secret_name is not None,
        has_ca=connector.ca_secret_name is not None,
        registry=None if problems else registry,
        versions=Versions(*secrets.revisions),
        secret_warning=None if problems else registry.warning,
        class_name=connector.connector_class.name,
    )
