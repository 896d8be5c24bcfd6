"""The Secrets that a Connector names, as values that can be used: credential and CA bundle. Pure.

No exception is chained here: the causes quote what they could not decode.
"""

import base64
import re
import ssl

from certs.bundle import join_bundle
from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from webhook import names
from webhook.connector.manifest import Connector
from webhook.connector.secret import SecretManifest
from webhook.errors import InvalidSecret, Problem

CA_KEY = "ca.crt"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_credential(connector: Connector, secret: SecretManifest | None) -> Credential | None:
    """User name and password of the Connector's Secret, None where it names none, or `InvalidSecret`."""
    if connector.secret_name is None:
        return None
    where = f'secret "{connector.secret_name}"'
    if secret is None:
        raise InvalidSecret([_not_found("SecretNotFound", connector, connector.secret_name)])
    problems: list[Problem] = []
    if secret.type != names.SECRET_TYPE:
        sentence = f"{where} is of type {secret.type}: create it anew with type {names.SECRET_TYPE}"
        problems.append(Problem("SecretTypeMismatch", sentence))
    username = _value(secret, "username", problems)
    password = _value(secret, "password", problems)
    if username and ":" in username.reveal():
        sentence = f'{where}: "username" has a colon, which basic auth cannot carry (RFC 7617)'
        problems.append(Problem("SecretUsernameHasColon", sentence))
    if problems or username is None or password is None:
        raise InvalidSecret(problems)
    return Credential(username.reveal(), password)


def parse_ca(connector: Connector, secret: SecretManifest | None) -> str | None:
    """The Connector's CA bundle (certificates only), None where it names none, or `InvalidSecret`."""
    if connector.ca_secret_name is None:
        return None
    where = f'secret "{connector.ca_secret_name}"'
    if secret is None:
        raise InvalidSecret([_not_found("CASecretNotFound", connector, connector.ca_secret_name)])
    if CA_KEY not in secret.data:
        raise InvalidSecret([Problem("CASecretWithoutKey", f'{where} has no key "{CA_KEY}"')])
    text = _decode(secret.data[CA_KEY])
    # whatever else stands in the Secret, a private key above all, stays there
    bundle = join_bundle([text.reveal() if isinstance(text, Secret) else ""])
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=bundle)
    except (ssl.SSLError, ValueError):
        sentence = f'{where}: "{CA_KEY}" is not a bundle of PEM certificates'
        raise InvalidSecret([Problem("InvalidPEM", sentence)]) from None
    return bundle


def secret_forbidden(namespace: str, name: str, *, is_ca: bool) -> Problem:
    """The broker may not read this Secret: an administrator chooses in which namespaces it may."""
    return Problem(
        "CASecretForbidden" if is_ca else "SecretForbidden",
        f'the broker may not read secret "{name}" in namespace "{namespace}": bind the ClusterRole '
        f"{names.SECRET_READER_ROLE} to ServiceAccount {names.NAMESPACE}/{names.BROKER} by a RoleBinding in "
        f"namespace {namespace}",
    )


def _not_found(reason: str, connector: Connector, name: str) -> Problem:
    sentence = f'secrets "{name}" not found in namespace "{connector.namespace}", where Connector '
    return Problem(reason, f"{sentence}{connector.key} expects it")


def _value(secret: SecretManifest, key: str, problems: list[Problem]) -> Secret | None:
    where = f'secret "{secret.name}"'

    def wrong(reason: str, sentence: str) -> None:
        problems.append(Problem(reason, f"{where} {sentence}"))

    if key not in secret.data:
        wrong(f"SecretWithout{key.capitalize()}", f'has no key "{key}"')
        return None
    text = _decode(secret.data[key])
    if not isinstance(text, Secret):
        reason, sentence = text
        wrong(reason, f'has a "{key}" that {sentence}')
        return None
    if not text.reveal():
        wrong(f"SecretWithout{key.capitalize()}", f'has an empty "{key}"')
        return None
    if _CONTROL.search(text.reveal()):
        sentence = "has a line break or control character (RFC 7617): an editor or echo added a newline?"
        wrong("SecretHasControlCharacter", f'has a "{key}" that {sentence}')
        return None
    return text


def _decode(value: Secret) -> Secret | tuple[str, str]:
    """The text, or reason and sentence. Line breaks inside base64 are allowed, as the API server does."""
    try:
        octets = base64.b64decode("".join(value.reveal().split()), validate=True)
    except ValueError:
        return "SecretNotBase64", "is not base64: plain text belongs under stringData, in quotes"
    try:
        return Secret(octets.decode())
    except UnicodeDecodeError:
        return "SecretNotUTF8", "is not UTF-8 text"
