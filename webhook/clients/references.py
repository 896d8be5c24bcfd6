"""References among a container's variables: `$(NAME)` in the value of an entry further down. Pure.

https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webhook.clients.sources import text

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]+)\))")
"""`$$` stands for a single `$`, so that `$$(NAME)` is no reference"""


def referred_above(env: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of entries to which an entry further up refers: there, Kubernetes does not expand them."""
    referred: set[str] = set()
    names: set[str] = set()
    for entry in env:
        if entry.get("name") in referred:
            names.add(str(entry.get("name")))
        if "$(" in (value := text(entry) or ""):
            referred.update(_REFERENCE.findall(value))
    return names


def with_url(env: Sequence[Mapping[str, Any]], url: str) -> list[Mapping[str, Any]]:
    """`env` with `url` for each reference to an entry that is this URL.

    Other references stay. To expand them all would let a few entries grow to gigabytes.
    """
    names: set[str] = set()
    result: list[Mapping[str, Any]] = []
    for entry in env:
        value = text(entry) or ""
        if "$(" in value and names:
            value = _REFERENCE.sub(lambda match: url if match[1] in names else match[0], value)
            entry = {**entry, "value": value}
        name = str(entry.get("name"))
        (names.add if value == url else names.discard)(name)
        result.append(entry)
    return result


def expanded(env: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The values as a kubelet passes them on. A reference to no entry further up stays as it is."""
    values: dict[str, str] = {}
    for entry in env:
        values[str(entry["name"])] = _REFERENCE.sub(
            lambda match: values.get(match[1], match[0]) if match[1] else "$", entry.get("value") or ""
        )
    return values
