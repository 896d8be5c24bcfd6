"""A Connector with the contents of its Secrets: all that is needed to ask its registry. Pure."""

from dataclasses import dataclass

from sidecar.contract.grant import Credential
from webhook.connector.manifest import Connector


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """A Connector with what its Secrets hold."""

    connector: Connector
    credential: Credential | None
    ca: str | None
