"""The refusal for a request whose credential the registry, or storage elsewhere, refuses. Pure.

Registries differ. Most answer 401 to a wrong password. pypiserver answers 403, and others mean a single
package by that.
"""

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import CredentialRefused, Refusal


def storage_refusal(status: int, origin: str, *, has_login: bool) -> Refusal:
    """The refusal for a 401 or 403 of another origin, to which the registry redirects or links."""
    if has_login:
        sentence = f"{origin} answers {status} to the user and password of the link or redirect"
    else:
        sentence = f"{origin} answers {status}; the credential goes only to the registry's own origin"
    return Refusal(403, Code.STORAGE_REFUSES, sentence)


def refusal_of(status: int, grant: Grant, connector: str) -> Refusal:
    """The refusal for a 401 or 403 for which there is no newer credential."""
    if grant.credential is None:
        sentence = (
            f"the registry wants a credential (status {status}), and connector {connector} has none: "
            "name a Secret in its spec.auth.secretRef"
        )
        return Refusal(403, Code.CREDENTIAL_MISSING, sentence)
    if status == 401:
        return CredentialRefused(connector)
    sentence = (
        f"the registry forbids this to the credential of connector {connector} (status 403): user name or "
        "password are wrong, or it may not read this"
    )
    return Refusal(403, Code.REGISTRY_FORBIDS, sentence)
