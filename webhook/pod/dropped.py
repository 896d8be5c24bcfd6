"""Fields of our container that another webhook has dropped since an earlier pass. Pure.

A webhook with typed models of an old Kubernetes drops each field that they do not know. The API server then
calls us again with what is left. A container counts as ours of an earlier pass if it holds our environment to
the letter. So a restored Pod of an earlier release, whose container lacks a field, accuses nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names

_VARYING = frozenset({"resources", "securityContext.runAsUser"})
"""They follow the rest of the Pod, which may have changed between the passes."""


def dropped_fields(canonical: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths such as `restartPolicy` and `securityContext.seccompProfile`; a path stands for all below it."""
    env = present.get("env") or []
    if not all(variable in env for variable in canonical["env"]):
        return ()
    return tuple(_missing(canonical, present, ""))


def warning(fields: tuple[str, ...]) -> str:
    return (
        f"another webhook, or the tool that copied this Pod, dropped {', '.join(fields)} from container "
        f"{names.SIDECAR}; it is restored. If the Pod is refused now, that webhook had the last word: see "
        "docs/guards.md (old injectors)"
    )


def _missing(canonical: Mapping[str, Any], present: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in canonical.items():
        path = above + key
        if path in _VARYING:
            continue
        if present.get(key) is None:
            yield path
        elif isinstance(value, Mapping) and isinstance(present[key], Mapping):
            yield from _missing(value, present[key], path + ".")
