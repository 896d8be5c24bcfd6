"""A registry as an administrator declares it, and the grant that the broker makes from it."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from support.certificates.authority import ca
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.registry import RegistryAccess, Secrets, parse_access
from webhook.connector.secret import SecretManifest
from webhook.grant.rules import compose


@dataclass(frozen=True, slots=True)
class Declaration:
    connector: Connector
    account: SecretManifest | None
    """None: anonymous"""
    authority: SecretManifest

    @property
    def registry(self) -> RegistryAccess:
        """The registry as a probe gets it."""
        return parse_access(self.connector, Secrets(self.account, self.authority))

    @property
    def grant(self) -> Grant:
        upload = self.connector.access == "readwrite"
        return compose(self.connector, Secrets(self.account, self.authority), upload=upload)


def declare(spec: Mapping[str, Any], username: str, password: str) -> Declaration:
    """A Connector with this `spec`; Secret and CA are added. Without a user name it is anonymous."""
    full = {"connectorClassName": "pypi", "caCertSecretRef": {"name": "ca"}, **spec}
    if username:
        full["auth"] = {"name": "basicAuth", "secretRef": {"name": "account"}}
    account = {"username": username, "password": password}
    return Declaration(
        parse_connector({"metadata": {"name": "pypi", "namespace": "team"}, "spec": full}),
        _secret("account", "kubernetes.io/basic-auth", account) if username else None,
        _secret("ca", "Opaque", {"ca.crt": ca()}),
    )


def _secret(name: str, kind: str, data: Mapping[str, str]) -> SecretManifest:
    encoded = {key: Secret(b64encode(value.encode()).decode()) for key, value in data.items()}
    return SecretManifest(name, kind, encoded, "1")
