"""`explain`: whether this Pod belongs to the present installation. Pure.

A new installation has a new CA. A sidecar trusts only the CAs that its Pod got at its creation, so Pods of an
earlier installation get no grant.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from certs.bundle import split_bundle
from sidecar.contract.words import BROKER_CA_VARIABLE
from webhook import names
from webhook.explain.facts import Facts, Unread
from webhook.explain.sidecar import sidecar_of

_RECREATE = "delete the Pod and create it again"
ABSENT_FIX = f"the product is not installed: install it, then {_RECREATE}: a new installation has a new CA"


def is_absent(facts: Facts) -> bool:
    """Whether both the webhook's registration and the broker are missing."""
    return facts.registration is None and facts.broker is None


def is_of_another_installation(facts: Facts) -> bool | None:
    """None if the CAs of either side are unknown: not readable, or not written yet."""
    if not facts.registration or isinstance(facts.registration, Unread) or facts.pod is None:
        return None
    trusted, present = _trusted(facts.pod), _present(facts.registration)
    return trusted.isdisjoint(present) if trusted and present else None


def _trusted(pod: Mapping[str, Any]) -> set[str]:
    """The CA certificates with which the sidecar verifies the broker."""
    env = (sidecar_of(pod) or {}).get("env") or []
    texts = [str(entry.get("value") or "") for entry in env if entry.get("name") == BROKER_CA_VARIABLE]
    return {block for text in texts for block in split_bundle(text)}


def _present(registration: Mapping[str, Any]) -> set[str]:
    """The product's CA certificates, from the registration: admission and broker share them."""
    bundles = [
        (hook.get("clientConfig") or {}).get("caBundle") for hook in registration.get("webhooks") or []
    ]
    return {block for bundle in bundles for block in split_bundle(_decoded(str(bundle or "")))}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("ascii", "replace")
    except (binascii.Error, ValueError):
        return ""


def authority_fix(facts: Facts) -> str:
    """The remedy for a broker that the sidecar does not trust."""
    is_other = is_of_another_installation(facts)
    if is_other is None:
        return ""  # the sidecar's own sentence names the possible causes and remedies
    if is_other:
        return f"{_RECREATE}: the product was installed again since, and this Pod has the earlier CA"
    return (
        "this Pod has the CA of the present installation: check whether its hostAliases or dnsConfig lead "
        f"elsewhere, and see `kubectl logs -n {names.NAMESPACE} deployment/{names.BROKER}`"
    )
