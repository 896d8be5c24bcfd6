"""Names as Kubernetes spells them. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def is_label(text: str) -> bool:
    """Whether it is a DNS label (RFC 1123): the name of a namespace or a container."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether it is a DNS subdomain (RFC 1123): the name of a Connector, a Pod or a Secret."""
    return _SUBDOMAIN.fullmatch(text) is not None
