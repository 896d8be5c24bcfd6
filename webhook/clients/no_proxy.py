"""A container's own HTTP proxy, which must not be asked for the loopback interface. Pure.

Clients do not spare 127.0.0.1 by themselves: with `HTTP_PROXY` set, pip would ask the company's proxy for it.
A proxy that the image sets cannot be seen here, and a `NO_PROXY` of ours would hide the image's: nothing is
added where the Pod says nothing about proxies.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_BYPASSES = ("NO_PROXY", "no_proxy")
_LOOPBACK = "127.0.0.1"
_COVERING = frozenset({"*", _LOOPBACK, "127.0.0.0/8"})


def bypass_loopback(env: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[str]]:
    """`env` with the loopback address in `NO_PROXY`, and the names of those that cannot be extended.

    The one value of a user's that is changed: it is extended, never shortened. Of the two spellings only
    those that are there are extended, for a new one could hide the other; both are added where neither is.
    """
    present = {str(entry.get("name")) for entry in env}
    if not any(name.lower() in _PROXIES for name in present):
        return list(env), []
    if present.isdisjoint(_BYPASSES):
        return [*env, *({"name": name, "value": _LOOPBACK} for name in _BYPASSES)], []
    found: list[Any] = []
    opaque = []
    for entry in env:
        name = str(entry.get("name"))
        if name in _BYPASSES and "valueFrom" in entry:
            opaque.append(name)
        found.append(_extended(entry) if name in _BYPASSES and "valueFrom" not in entry else entry)
    return found, opaque


def _extended(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    value = entry.get("value") or ""
    if not isinstance(value, str) or not _COVERING.isdisjoint(re.split(r"[\s,]+", value)):
        return entry
    return {**entry, "value": f"{value.rstrip(', ')},{_LOOPBACK}".lstrip(",")}
