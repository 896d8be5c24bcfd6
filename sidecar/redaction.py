"""Keeps the credential out of what a registry says back: some quote the request in an error. Pure."""

from sidecar.contract import Credential
from sidecar.headers import basic_authorization

HIDDEN = b"(the registry's answer repeated the credential and is not shown)"


def redact(text: bytes, credential: Credential | None) -> bytes:
    """The text, or a sentence in its place if it holds the password, plain or as in Authorization."""
    authorization = basic_authorization(credential)
    if credential is None or authorization is None:
        return text
    secrets = (credential.password.reveal().encode(), authorization.removeprefix(b"Basic "))
    return HIDDEN if any(secret and secret in text for secret in secrets) else text
