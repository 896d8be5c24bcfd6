"""A Connector with the contents of its Secrets, and the grant that follows from both. Pure.

Broker, status and command line read a Connector's Secrets here, each from its own source.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sidecar.contract.grant import Credential, Grant
from webhook.connector.credentials import (
    MaybeSecret,
    credential_warning,
    parse_ca,
    parse_credential,
    secret_forbidden,
)
from webhook.connector.manifest import Connector
from webhook.connector.reasons import ConnectorReason
from webhook.connector.secret import SecretManifest
from webhook.errors import ClusterRefused, Forbidden, InvalidSecret, Problem
from webhook.problems import Problems

ReadSecret = Callable[[str, str], Awaitable[SecretManifest | None]]
"""Namespace and name → the Secret, or None: there is none"""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The Secrets that a Connector names; None, too, where it names none."""

    login: MaybeSecret = None
    """User name and password"""
    ca: MaybeSecret = None

    @property
    def revisions(self) -> tuple[str, str]:
        """Of login and CA; empty for a Secret that is not there."""
        return _revision(self.login), _revision(self.ca)


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """All that is needed to ask a Connector's registry."""

    connector: Connector
    credential: Credential | None
    ca: str | None

    @property
    def warning(self) -> Problem | None:
        return credential_warning(self.connector, self.credential)


async def read_secrets(
    connector: Connector, read: ReadSecret, *, refusals: type[ClusterRefused] = Forbidden
) -> Secrets:
    """Read the Secrets, each once. Answers of the kind `refusals` become problems, others are raised."""

    async def read_secret(name: str | None, *, is_ca: bool) -> MaybeSecret:
        if name is None:
            return None
        try:
            return await read(connector.namespace, name)
        except refusals as error:
            return _refused(connector.namespace, name, error, is_ca=is_ca)

    login = await read_secret(connector.secret_name, is_ca=False)
    return Secrets(login, await read_secret(connector.ca_secret_name, is_ca=True))


def parse_access(connector: Connector, secrets: Secrets) -> RegistryAccess:
    """The Connector with credential and CA, or `InvalidSecret` with the problems of both Secrets."""
    problems = Problems()
    credential = ca = None
    with problems.collecting():
        credential = parse_credential(connector, secrets.login)
    with problems.collecting():
        ca = parse_ca(connector, secrets.ca)
    problems.raise_any(InvalidSecret)
    return RegistryAccess(connector, credential, ca)


def compose_grant(
    access: RegistryAccess,
    *,
    version: str,
    may_upload: bool,
    soft_seconds: float,
    hard_seconds: float,
    broker_ca: Sequence[str] = (),
) -> Grant:
    """The grant of a Pod or of a command: all that the sidecar has to know of the Connector."""
    connector = access.connector
    return Grant(
        version=version,
        index_url=connector.index_url,
        upload_url=connector.upload_url if may_upload else None,
        file_origins=connector.file_origins,
        ca=access.ca,
        credential=access.credential,
        soft_seconds=soft_seconds,
        hard_seconds=hard_seconds,
        broker_ca=tuple(broker_ca),
        packages=connector.packages,
        max_connections=connector.max_connections,
        address=connector.address,
        file_prefixes=connector.file_prefixes,
    )


def _refused(namespace: str, name: str, error: ClusterRefused, *, is_ca: bool) -> Problem:
    """The problem of a Secret that the API server does not show: the installation is at fault."""
    if isinstance(error, Forbidden):
        return secret_forbidden(namespace, name, is_ca=is_ca)
    reason = ConnectorReason.CA_SECRET_UNREADABLE if is_ca else ConnectorReason.SECRET_UNREADABLE
    return Problem(reason, f'secret "{name}" cannot be read: {error}')


def _revision(secret: MaybeSecret) -> str:
    return secret.revision if isinstance(secret, SecretManifest) else ""
