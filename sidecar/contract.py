"""What webhook, broker and sidecar agree on: environment, paths, grant document v1.

The one module of this package that the webhook may import, so it needs the standard library only. Values are
`NamedTuple`s: `dataclasses` costs 7 ms of import, a fifth of the sidecar's start, in every Pod.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sidecar.secret import Secret as Secret

SHAPE = "2"
"""Version of what the webhook injects. A change that the broker could notice gets the next number."""

COMMAND = ("python3", "-I", "-m", "sidecar")

CONFIG_DIR = "/etc/pypi-connector"
"""Where the client configuration lies, in the sidecar (writable) and in the workload (read-only)."""

TOKEN_DIR = "/var/run/secrets/pypi-connector"  # noqa: S105 (a path)
TOKEN_FILE = TOKEN_DIR + "/token"
TOKEN_AUDIENCE = "pypi-connector"  # noqa: S105 (a name)
GRANTS_PATH = "/v1/grants"

BROKER_UNREACHABLE, BROKER_UNTRUSTED = "broker-unreachable", "broker-untrusted"
"""Codes in the sidecar's log: the broker does not answer; its certificate cannot be verified"""
LOG_LEVELS = ("debug", "info", "warning", "error")

CREDENTIAL_REFUSED = "credential-refused"
"""The registry answers 401 to a credential that it never accepted"""
CREDENTIAL_RESTS = "credential-rests"
"""It answers 401 again and again to a credential that it accepted before"""
REQUEST_REFUSED = "request-refused"
"""It answers 401 to one request, twice, with a credential that it accepts for others"""
REGISTRY_FORBIDS = "registry-forbids"
"""It answers 403"""
REGISTRY_UNREACHABLE = "registry-unreachable"
"""There is no connection to it"""
CAUSES = (CREDENTIAL_REFUSED, CREDENTIAL_RESTS, REQUEST_REFUSED, REGISTRY_FORBIDS, REGISTRY_UNREACHABLE)
"""Why a sidecar asks for a newer grant than its own; also codes of its answers to clients"""

MAX_CONNECTIONS = 32
"""Requests of one Pod at the registry at once, if the Connector does not set `maxConnections`"""

ENFORCES = ("packages",)
"""What this sidecar holds its Pod to at a grant's word: the broker gives none that would not be kept"""
PACKAGE_PATTERN = re.compile(r"[a-z0-9*?]+(-[a-z0-9*?]+)*")
"""A normalised name (PEP 503); `*` stands for any text, also none, and `?` for one character"""


class ContractError(ValueError):
    """An environment or a grant document that is not what this version agreed to; the text is a sentence."""


class Listener(NamedTuple):
    """One connector and the loopback port that stands for it."""

    connector: str
    """`namespace/name`"""
    port: int
    """1 to 65535"""


class Environment(NamedTuple):
    """The sidecar's own variables, all of which begin with `SIDECAR_`."""

    listeners: tuple[Listener, ...]
    files: Mapping[str, str]
    """File name → content, written into `config_dir` before the first socket listens; no secret in them."""
    config_dir: str = CONFIG_DIR
    log_level: str = "info"
    broker_url: str | None = None
    """Base URL, https; None with `grant_fd`"""
    broker_ca: str = ""
    """PEM bundle that the broker's certificate is verified with"""
    token_file: str = TOKEN_FILE
    grant_fd: int | None = None
    """Inherited descriptor with one line for each listener, its grant document (`run`, where there is no
    broker); its end of file means that the parent is gone"""
    peer_uid: int | None = None
    """Only this user of the machine (and root) is served: `run`, where the loopback interface is shared"""

    def variables(self) -> dict[str, str]:
        """The environment as the webhook writes it, in a fixed order."""
        found = {
            "SIDECAR_SHAPE": SHAPE,
            "SIDECAR_LISTEN": ",".join(f"{one.connector}={one.port}" for one in self.listeners),
            "SIDECAR_FILES": json.dumps(dict(self.files), separators=(",", ":")),
            "SIDECAR_CONFIG_DIR": self.config_dir,
            "SIDECAR_LOG_LEVEL": self.log_level,
        }
        if self.broker_url is not None:
            found["SIDECAR_BROKER_URL"] = self.broker_url
            found["SIDECAR_BROKER_CA"] = self.broker_ca
            found["SIDECAR_TOKEN_FILE"] = self.token_file
        numbers = {"SIDECAR_GRANT_FD": self.grant_fd, "SIDECAR_PEER_UID": self.peer_uid}
        return found | {name: str(number) for name, number in numbers.items() if number is not None}

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "Environment":
        """Read the variables; `ContractError` names every wrong one at once. Unknown ones are left alone."""
        problems: list[str] = []

        def read(name: str, default: str | None = None) -> str:
            value = variables.get("SIDECAR_" + name, default)
            if value is None:
                problems.append(f"SIDECAR_{name} is not set")
            return value or ""

        def number(name: str) -> int | None:
            text = variables.get("SIDECAR_" + name)
            if text is None:
                return None
            if not _is_number(text):
                problems.append(f"SIDECAR_{name} must be a whole number, not {text!r}")
                return None
            return int(text)

        listeners = _parse_listeners(read("LISTEN"), problems)
        files = _parse_files(read("FILES", "{}"), problems)
        grant_fd = number("GRANT_FD")
        level = read("LOG_LEVEL", "info")
        if level not in LOG_LEVELS:
            problems.append(f"SIDECAR_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
        url = None if grant_fd is not None else read("BROKER_URL")
        if url and not variables.get("SIDECAR_BROKER_CA", "").strip():
            # the system's authorities would be asked instead, and any of them could vouch for a broker
            problems.append("SIDECAR_BROKER_CA holds no certificate")
        if url and not url.startswith("https://"):
            problems.append(f"SIDECAR_BROKER_URL must begin with https://, not {url!r}")
        found = cls(
            listeners=listeners,
            files=files,
            config_dir=read("CONFIG_DIR", CONFIG_DIR),
            log_level=level,
            broker_url=url,
            broker_ca="" if grant_fd is not None else read("BROKER_CA"),
            token_file=read("TOKEN_FILE", TOKEN_FILE),
            grant_fd=grant_fd,
            peer_uid=number("PEER_UID"),
        )
        if problems:
            raise ContractError("the sidecar's environment is not usable: " + "; ".join(problems))
        return found


def _is_number(text: str) -> bool:
    """Whether `int` takes it: no other script's digits, no more of them than any number here has."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _parse_listeners(text: str, problems: list[str]) -> tuple[Listener, ...]:
    found = []
    for part in text.split(",") if text else []:
        connector, _, port = part.rpartition("=")
        if connector.count("/") != 1 or not _is_number(port) or not 0 < int(port) < 65536:
            problems.append(f"SIDECAR_LISTEN must read namespace/name=port, not {part!r}")
            continue
        found.append(Listener(connector, int(port)))
    return tuple(found)


def _parse_files(text: str, problems: list[str]) -> dict[str, str]:
    try:
        files = json.loads(text)
    except ValueError:
        files = None
    if not isinstance(files, dict) or not all(isinstance(body, str) for body in files.values()):
        problems.append("SIDECAR_FILES must be a JSON object of texts")
        return {}
    for name in files:
        if "/" in name or name in ("", ".", ".."):
            problems.append(f"SIDECAR_FILES names {name!r}, which is no file name")
    return files


class Credential(NamedTuple):
    """Basic auth of the registry (RFC 7617)."""

    username: str
    password: Secret


class PackagePolicy(NamedTuple):
    """Which packages may be installed, by `allowPackages` and `denyPackages` of a Connector."""

    connector: str
    """`namespace/name`, for the sentence that refuses"""
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    """Patterns, as those of `allow`, and they win; without any in `allow` all others may pass"""


class Grant(NamedTuple):
    """What one Pod may do with one connector, and with which credential: grant document v1."""

    version: str
    """Names the state of Connector and Secret; equal versions carry equal credentials"""
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
    """Age at which the next use asks for a newer one"""
    hard_seconds: float
    """Age until which it serves while the broker cannot be reached"""
    broker_ca: tuple[str, ...]
    """PEM certificates of the broker's authorities, newer than the injected bundle"""
    packages: PackagePolicy | None = None
    """None: all. Only for a sidecar that `ENFORCES` it: an older one ignores the field"""
    max_connections: int = MAX_CONNECTIONS
    """Requests at the registry at once. An older broker does not send it; an older sidecar has no limit"""

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
            **({"packages": self.packages._asdict()} if self.packages else {}),
        }

    @classmethod
    def parse(cls, body: str | bytes) -> "Grant":
        """Read a document; unknown fields are ignored (a newer broker). `ContractError` never quotes it."""
        try:
            fields = json.loads(body)
            credential = fields["credential"]
            return cls(
                version=_text(fields["version"]),
                index_url=_url(fields["indexUrl"]),
                upload_url=None if fields["uploadUrl"] is None else _url(fields["uploadUrl"]),
                file_origins=tuple(_url(one) for one in fields["fileOrigins"]),
                ca=None if fields["ca"] is None else _text(fields["ca"]),
                credential=None
                if credential is None
                else Credential(_text(credential["username"]), Secret(_text(credential["password"]))),
                soft_seconds=float(fields["softSeconds"]),
                hard_seconds=float(fields["hardSeconds"]),
                broker_ca=tuple(_text(one) for one in fields["brokerCa"]),
                packages=_packages(fields.get("packages")),
                max_connections=_count(fields.get("maxConnections", MAX_CONNECTIONS)),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            # the cause could quote the document, which holds the password
            kind = type(error).__name__
            raise ContractError(f"the grant document is not of version 1 ({kind})") from None


def grant_request(connector: str, rejected: str | None, cause: str | None = None) -> dict[str, Any]:
    """The JSON object that a sidecar sends; version `rejected` did not serve, for one of `CAUSES`."""
    request = {"connector": connector, "rejected": rejected, "enforces": list(ENFORCES)}
    return {**request, "cause": cause} if cause else request


def _packages(value: Any) -> PackagePolicy | None:
    """A pattern that is not understood breaks the document: left out, it would let a package through."""
    if value is None:
        return None
    lists = [value["allow"], value["deny"]]
    if not all(isinstance(one, list) and all(map(PACKAGE_PATTERN.fullmatch, one)) for one in lists):
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
