"""Names as Kubernetes spells them. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import re
from typing import NamedTuple

from webhook.errors import InvalidValue

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_NAME_LENGTH = 253
_UNBOUNDED_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""Kubernetes bounds a subdomain as a whole, and not each label of it"""


def is_label(text: str) -> bool:
    """Whether the text is a DNS label (RFC 1123): the name of a namespace or a container."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether the text is a DNS subdomain (RFC 1123): the name of a Connector, a Pod or a Secret."""
    return _SUBDOMAIN.fullmatch(text) is not None


def is_object_name(text: str) -> bool:
    """Whether the API server takes the text as a name. Stricter than `is_subdomain`: no empty label."""
    return len(text) <= _NAME_LENGTH and all(_UNBOUNDED_LABEL.fullmatch(label) for label in text.split("."))


class ConnectorKey(NamedTuple):
    """A Connector's identity in the cluster. `str` gives `namespace/name`, the spelling that people read."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, *, default_namespace: str | None = None) -> "ConnectorKey":
        """Read `namespace/name` or, where there is a default namespace, `name`. `InvalidValue` otherwise."""
        namespace, slash, name = text.rpartition("/")
        if not slash and default_namespace is not None:
            namespace = default_namespace
        if is_label(namespace) and is_subdomain(name):
            return cls(namespace, name)
        spellings = "namespace/name" if default_namespace is None else "name or namespace/name"
        raise InvalidValue(f"must read {spellings} in lower case, not {text!r}")
