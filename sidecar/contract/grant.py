"""Grant document v1, and the request for it: the broker writes the document, the sidecar parses it."""

import json
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sidecar.contract.errors import ContractError
from sidecar.contract.secret import Secret

MAX_CONNECTIONS = 32
"""Requests of one Pod at the registry at once, if the Connector does not set `maxConnections`"""

ENFORCES = ("packages",)
"""The restrictions that this sidecar enforces. The broker gives no grant with any other restriction"""
PACKAGE_PATTERN = re.compile(r"[a-z0-9*?]+(-[a-z0-9*?]+)*")
"""A normalised name (PEP 503); `*` stands for any text, also none, and `?` for one character"""


class Credential(NamedTuple):
    """Basic auth of the registry (RFC 7617). Either part may be empty; then the other is the secret."""

    username: str
    password: Secret

    def __repr__(self) -> str:
        # without a password, the user name may be a token
        return f"Credential(username=***, password={self.password!r})"


class PackagePolicy(NamedTuple):
    """The packages that may be installed, by `allowPackages` and `denyPackages` of a Connector."""

    connector: str
    """`namespace/name`, for the sentence of a refusal"""
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    """Patterns as in `allow`; they win. If `allow` is empty, all other packages may pass"""


class Grant(NamedTuple):
    """The rights of a Pod to a connector, with the credential: grant document v1."""

    version: str
    """Names the state of Connector and Secret. Equal versions have equal credentials"""
    index_url: str
    """Absolute URL of the simple index (PEP 503), with a trailing slash"""
    upload_url: str | None
    """None: this Pod may not upload"""
    file_origins: tuple[str, ...]
    """Further origins (`https://host[:port]`) that serve files, without the credential"""
    ca: str | None
    """PEM bundle for the registry; None: the system's"""
    credential: Credential | None
    soft_seconds: float
    """Age at which the next use asks for a newer grant"""
    hard_seconds: float
    """Age at which the grant ends, if the broker cannot be reached until then"""
    broker_ca: tuple[str, ...]
    """PEM certificates of the broker's authorities, newer than the injected bundle"""
    packages: PackagePolicy | None = None
    """None: all packages. Only for a sidecar that `ENFORCES` it: an older sidecar ignores the field"""
    max_connections: int = MAX_CONNECTIONS
    """Requests at the registry at once. An older broker does not send it; an older sidecar has no limit"""
    address: str | None = None
    """Absolute URL of the Connector: the credential opens paths below it. An older broker does not send it"""
    file_prefixes: tuple[str, ...] = ()
    """URLs of the registry's own origin below which it serves files, with the credential"""

    def document(self) -> dict[str, Any]:
        """The JSON object on the wire. The only place where the password is revealed to be sent."""
        credential = self.credential
        return {
            "version": self.version,
            "indexUrl": self.index_url,
            "uploadUrl": self.upload_url,
            "fileOrigins": list(self.file_origins),
            "ca": self.ca,
            "credential": credential
            and {"username": credential.username, "password": credential.password.reveal()},
            "softSeconds": self.soft_seconds,
            "hardSeconds": self.hard_seconds,
            "brokerCa": list(self.broker_ca),
            "maxConnections": self.max_connections,
            "address": self.address,
            "filePrefixes": list(self.file_prefixes),
            **({"packages": self.packages._asdict()} if self.packages else {}),
        }

    @classmethod
    def parse(cls, body: str | bytes) -> "Grant":
        """Read a document, but ignore unknown fields (a newer broker). The ContractError never quotes it."""
        try:
            fields = json.loads(body)
            credential = fields["credential"]
            return cls(
                version=_text(fields["version"]),
                index_url=_url(fields["indexUrl"]),
                upload_url=None if fields["uploadUrl"] is None else _url(fields["uploadUrl"]),
                file_origins=tuple(_url(origin) for origin in fields["fileOrigins"]),
                ca=None if fields["ca"] is None else _text(fields["ca"]),
                credential=None
                if credential is None
                else Credential(_text(credential["username"]), Secret(_text(credential["password"]))),
                soft_seconds=float(fields["softSeconds"]),
                hard_seconds=float(fields["hardSeconds"]),
                broker_ca=tuple(_text(certificate) for certificate in fields["brokerCa"]),
                packages=_packages(fields.get("packages")),
                max_connections=_count(fields.get("maxConnections", MAX_CONNECTIONS)),
                address=None if fields.get("address") is None else _url(fields["address"]),
                file_prefixes=tuple(_url(prefix) for prefix in fields.get("filePrefixes", ())),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            # the cause could quote the document, which holds the password
            kind = type(error).__name__
            raise ContractError(f"the grant document is not of version 1 ({kind})") from None


def grant_request(connector: str, rejected: str | None, cause: str | None = None) -> dict[str, Any]:
    """The JSON object that a sidecar sends. `cause`: why `rejected` did not serve, a member of `CAUSES`."""
    request = {"connector": connector, "rejected": rejected, "enforces": list(ENFORCES)}
    return {**request, "cause": cause} if cause else request


def gateway_grant_request(
    connector: str, rejected: str | None, token: Secret, cause: str | None = None
) -> dict[str, Any]:
    """The JSON object that a gateway sends for a client, with the client's token."""
    return {**grant_request(connector, rejected, cause), "token": token.reveal()}


def _packages(value: Any) -> PackagePolicy | None:
    """An unknown kind of pattern breaks the document: without the pattern, a package could pass."""
    if value is None:
        return None
    lists = [value["allow"], value["deny"]]
    if not all(
        isinstance(patterns, list) and all(map(PACKAGE_PATTERN.fullmatch, patterns)) for patterns in lists
    ):
        raise ValueError
    return PackagePolicy(_text(value["connector"]), *map(tuple, lists))


def _url(value: object) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    return parts.geturl()


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
