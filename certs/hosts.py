"""Host names that a certificate can be issued for. Pure."""

import re

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def is_label(text: str) -> bool:
    """Whether it is a DNS label in lower case (RFC 1123): the name of a Service or a namespace."""
    return re.fullmatch(_LABEL, text) is not None


def is_host(text: str) -> bool:
    """Whether it is a DNS name in lower case (RFC 1123) that fits into a certificate."""
    return len(text) <= 253 and _HOST.fullmatch(text) is not None


def service_hosts(service: str, namespace: str) -> tuple[str, ...]:
    """The names of a Service inside a cluster of the default domain."""
    short = f"{service}.{namespace}"
    return service, short, f"{short}.svc", f"{short}.svc.cluster.local"
