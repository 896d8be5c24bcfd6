"""Credential and CA bundle of the Secrets that a Connector names, or the problems of these Secrets. Pure.

No exception is chained here: the causes quote the text that they could not decode.
"""

import base64
import re
import ssl

from certs.bundle import labels, read_bundle
from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from webhook import names
from webhook.connector.manifest import Connector
from webhook.connector.reasons import ConditionReason, ConnectorReason
from webhook.connector.secret import SecretManifest
from webhook.errors import InvalidSecret, Problem
from webhook.problems import Problems

CA_KEY = "ca.crt"

MaybeSecret = SecretManifest | Problem | None
"""A Secret; a problem: it cannot be read; None: there is no Secret of that name"""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_credential(connector: Connector, secret: MaybeSecret) -> Credential | None:
    """User name and password of the Connector's Secret, None where it names none, or `InvalidSecret`.

    Either may be empty (RFC 7617 §2), and Kubernetes demands only one of the keys: some registries take a
    token as the user name, with no password. See `credential_warning`.
    """
    name = connector.secret_name
    if name is None:
        return None
    secret = _require(secret, ConnectorReason.SECRET_NOT_FOUND, connector, name)
    problems = Problems(f'secret "{name}"')
    if secret.type != connector.secret_type:
        fix = f"create it anew with type {connector.secret_type}"
        problems.add(ConnectorReason.SECRET_TYPE_MISMATCH, f"is of type {secret.type}", fix)
    username = _value(secret, "username", problems)
    password = _value(secret, "password", problems)
    if username and ":" in username.reveal():
        sentence = f'secret "{name}": "username" has a colon, which basic auth cannot carry (RFC 7617)'
        problems.extend([Problem(ConnectorReason.SECRET_USERNAME_HAS_COLON, sentence)])
    if username is None or password is None or problems:
        raise InvalidSecret(list(problems))
    if not username.reveal() and not password.reveal():
        fix = "fill them in, or leave out spec.auth for an anonymous registry"
        problems.add(ConnectorReason.SECRET_EMPTY, 'has neither a "username" nor a "password"', fix)
        raise InvalidSecret(list(problems))
    return Credential(username.reveal(), password)


def credential_warning(connector: Connector, credential: Credential | None) -> Problem | None:
    """The warning about a credential of one half: some registries want it, but often it is a mistake."""
    if credential is None:
        return None
    subject = f'secret "{connector.secret_name}"'
    if not credential.password.reveal():
        fix = "the user name alone is sent, for registries that take a token there"
        return Problem(ConditionReason.SECRET_WITHOUT_PASSWORD, f"{subject} has no password", fix)
    if not credential.username:
        fix = "the password alone is sent, for registries that take a token there"
        return Problem(ConditionReason.SECRET_WITHOUT_USERNAME, f"{subject} has no user name", fix)
    return None


def parse_ca(connector: Connector, secret: MaybeSecret) -> str | None:
    """The Connector's CA bundle (certificates only), None where it names none, or `InvalidSecret`."""
    name = connector.ca_secret_name
    if name is None:
        return None
    secret = _require(secret, ConnectorReason.CA_SECRET_NOT_FOUND, connector, name)
    if CA_KEY not in secret.data:
        raise InvalidSecret.of(
            ConnectorReason.CA_SECRET_WITHOUT_KEY, f'secret "{name}" has no key "{CA_KEY}"'
        )
    octets = _octets(secret.data[CA_KEY]) or b""
    # everything else in the Secret, a private key above all, stays there
    bundle = read_bundle(octets)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=bundle)
    except (ssl.SSLError, ValueError):
        raise InvalidSecret.of(
            ConnectorReason.INVALID_PEM, f'secret "{name}": "{CA_KEY}" {_no_bundle(octets, bundle)}'
        ) from None
    return bundle


def _no_bundle(octets: bytes, bundle: str) -> str:
    others = labels(octets)
    if bundle or not others or "CERTIFICATE" in others:
        return "is not a bundle of PEM certificates"
    return f"holds {', '.join(others)} and no CERTIFICATE: write the CA's certificate with `openssl x509`"


def secret_forbidden(namespace: str, name: str, *, is_ca: bool) -> Problem:
    """The broker may not read this Secret: an administrator chooses in which namespaces it may."""
    return Problem(
        ConnectorReason.CA_SECRET_FORBIDDEN if is_ca else ConnectorReason.SECRET_FORBIDDEN,
        f'the broker may not read secret "{name}" in namespace "{namespace}"',
        f"bind the ClusterRole {names.SECRET_READER_ROLE} to ServiceAccount {names.NAMESPACE}/{names.BROKER} "
        f"by a RoleBinding in namespace {namespace}",
    )


def _require(secret: MaybeSecret, not_found: str, connector: Connector, name: str) -> SecretManifest:
    if isinstance(secret, Problem):
        raise InvalidSecret([secret])
    if secret is None:
        where = f'secrets "{name}" not found in namespace "{connector.namespace}"'
        raise InvalidSecret.of(not_found, f"{where}, where Connector {connector.key} expects it")
    return secret


def _value(secret: SecretManifest, key: str, problems: Problems) -> Secret | None:
    """The value, empty if the key is absent; None: there is a problem."""
    text = _decode(secret.data.get(key, Secret("")))
    if not isinstance(text, Secret):
        reason, fault, fix = text
        problems.add(reason, f'has a "{key}" that {fault}', fix)
        return None
    if _CONTROL.search(text.reveal()):
        sentence = f'has a "{key}" that has a line break or control character (RFC 7617)'
        hint = "an editor or echo added a newline?"
        problems.add(ConnectorReason.SECRET_HAS_CONTROL_CHARACTER, sentence, hint)
        return None
    return text


def _decode(value: Secret) -> Secret | tuple[ConnectorReason, str, str]:
    """The text, or reason, fault and fix. Line breaks inside base64 are allowed, as in the API server."""
    octets = _octets(value)
    if octets is None:
        fix = "plain text belongs under stringData, in quotes"
        return ConnectorReason.SECRET_NOT_BASE64, "is not base64", fix
    try:
        return Secret(octets.decode())
    except UnicodeDecodeError:
        return ConnectorReason.SECRET_NOT_UTF8, "is not UTF-8 text", ""


def _octets(value: Secret) -> bytes | None:
    """None: it is no base64."""
    try:
        return base64.b64decode("".join(value.reveal().split()), validate=True)
    except ValueError:
        return None
