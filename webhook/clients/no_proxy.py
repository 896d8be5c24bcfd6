"""The loopback interface and a container's own HTTP proxy: an exception, and what allows none. Pure.

Clients do not except 127.0.0.1 by themselves: with `HTTP_PROXY` set, pip would ask the company's proxy for
it. An image may set a proxy too, which the Pod does not show. A `NO_PROXY` of ours would hide the image's, so
nothing is added to a Pod that says nothing about proxies.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from webhook.clients.sources import PIP_PROXY, read_as

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_BYPASSES = ("NO_PROXY", "no_proxy")
_LOOPBACK = "127.0.0.1"
_COVERING = frozenset({"*", _LOOPBACK, "127.0.0.0/8"})


def bypass_loopback(env: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[str]]:
    """`env` with the loopback address in `NO_PROXY`, and the names of variables that cannot be extended.

    This is the only value of a user that the product changes: it extends the value and never shortens it. If
    only one of the two spellings exists, the other is not added, for it could hide the first. If neither
    exists, both are added. Example: `NO_PROXY=".corp"` becomes `NO_PROXY=".corp,127.0.0.1"`.
    """
    present = {str(entry.get("name")) for entry in env}
    if not any(name.lower() in _PROXIES for name in present):
        return list(env), []
    if present.isdisjoint(_BYPASSES):
        return [*env, *({"name": name, "value": _LOOPBACK} for name in _BYPASSES)], []
    extended: list[Any] = []
    opaque = []
    for entry in env:
        name = str(entry.get("name"))
        if name in _BYPASSES and "valueFrom" in entry:
            opaque.append(name)
        extended.append(_extend(entry) if name in _BYPASSES and "valueFrom" not in entry else entry)
    return extended, opaque


def proxies_without_exception(env: Sequence[Mapping[str, Any]]) -> list[str]:
    """The variables with which pip asks a proxy for everything, the loopback interface included."""
    return [
        str(entry.get("name"))
        for entry in env
        if read_as(str(entry.get("name"))) == PIP_PROXY and (entry.get("value") or entry.get("valueFrom"))
    ]


def _extend(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    value = entry.get("value") or ""
    if not isinstance(value, str) or not _COVERING.isdisjoint(re.split(r"[\s,]+", value)):
        return entry
    return {**entry, "value": f"{value.rstrip(', ')},{_LOOPBACK}".lstrip(",")}
