"""The sidecar container and its volumes in canonical form, and the additions of others that stay. Pure.

Every pass writes the canonical form anew. So it repairs a copy from a restored Pod, and a container that
another webhook stripped (`restartPolicy` is the classic). Additions of other products stay: resources,
variables and mounts (`additions.py`), the user that OpenShift assigns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sidecar.contract.environment import Environment
from sidecar.contract.words import COMMAND, CONFIG_DIR, TOKEN_AUDIENCE, TOKEN_DIR, TOKEN_FILE, VOLUMES_DIR
from webhook import names
from webhook.pod import start_gate
from webhook.pod.additions import is_forbidden_variable, judged_mounts
from webhook.pod.settings import Settings
from webhook.pod.shape import Json

TOKEN_LIFE_SECONDS = 3600
"""Kubernetes' default. The kubelet renews the token at 80 % of it; the sidecar reads it at each use."""

NOBODY = 65532
"""The image's own user. Set only where the Pod says root, which `runAsNonRoot` would not let start."""

_DEFAULTS: Mapping[str, Callable[[Any], bool]] = {
    "terminationMessagePath": lambda path: path == "/dev/termination-log",
    "resizePolicy": lambda policies: all(policy.get("restartPolicy") == "NotRequired" for policy in policies),
}
"""Values that the API server fills in stay, so that a second pass changes nothing. All other foreign fields
of the container go: `tests/tables/pod_fields.yaml` has a decision on each field."""


def sidecar_container(
    environment: Environment,
    *,
    image: str,
    resources: Mapping[str, Mapping[str, str]],
    is_root_pod: bool = False,
) -> Json:
    """The canonical container. It satisfies Pod Security "restricted" by itself, whatever the Pod says."""
    ports = [listener.port for listener in environment.listeners]
    return {
        "name": names.SIDECAR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(COMMAND),
        "restartPolicy": "Always",
        "env": [{"name": name, "value": value} for name, value in environment.variables().items()],
        "lifecycle": {"postStart": {"exec": {"command": start_gate.command(ports)}}},
        "resources": {kind: dict(amounts) for kind, amounts in resources.items()},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            **({"runAsUser": NOBODY} if is_root_pod else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": names.CONFIG_VOLUME, "mountPath": CONFIG_DIR},
            {"name": names.TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": True},
            {"name": names.EMPTY_VOLUME, "mountPath": names.SERVICE_ACCOUNT_DIR, "readOnly": True},
            *({"name": name, "mountPath": f"{VOLUMES_DIR}/{name}"} for name in environment.volumes),
        ],
    }


def sidecar_volumes() -> list[Json]:
    """The volumes lie in memory, so that the cluster autoscaler may remove the node. 1 MiB is arbitrary: the
    files hold some hundred bytes. `defaultMode` is there because the API server would add it."""
    token = {
        "audience": TOKEN_AUDIENCE,
        "expirationSeconds": TOKEN_LIFE_SECONDS,
        "path": TOKEN_FILE.removeprefix(TOKEN_DIR + "/"),
    }
    return [
        {"name": names.CONFIG_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {
            "name": names.TOKEN_VOLUME,
            "projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": token}]},
        },
        {"name": names.EMPTY_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]


def repaired(
    canonical: Json, present: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]], settings: Settings
) -> Json:
    """The canonical container, with the additions to the present container that may stay. `volumes` are the
    Pod's. The amounts of others are in the canonical container already (`resources`)."""
    result = {**canonical}
    result["image"] = _image(canonical["image"], present.get("image"), settings)
    result["env"] = canonical["env"] + _variables(present.get("env") or [])
    our_mounts = canonical["volumeMounts"]
    result["volumeMounts"] = our_mounts + _mounts(our_mounts, present.get("volumeMounts") or [], volumes)
    result["securityContext"] = _security_context(
        canonical["securityContext"], present.get("securityContext") or {}
    )
    filled_in = {key: value for key, value in present.items() if _DEFAULTS.get(key, _is_not_ours)(value)}
    return result | filled_in


def _is_not_ours(_: object) -> bool:
    return False


def _image(current: str, present: object, settings: Settings) -> str:
    """An allowed mirror of the current image stays: the webhook that set it may not be called again. Any
    other image, allowed or not, is stale."""
    is_mirror = isinstance(present, str) and present.rpartition("/")[2] == current.rpartition("/")[2]
    return str(present) if is_mirror and present in settings.allowed_images else current


def _variables(present: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        variable
        for variable in present
        if not (str(variable.get("name")).startswith("SIDECAR_") or is_forbidden_variable(variable))
    ]


def _mounts(
    canonical: Sequence[Mapping[str, Any]],
    present: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    our_volumes = [mount["name"] for mount in canonical]
    foreign = [mount for mount in present if mount.get("name") not in our_volumes]
    our_paths = [mount["mountPath"] for mount in canonical]
    return [mount for mount, objection in judged_mounts(foreign, our_paths, volumes) if not objection]


def _security_context(canonical: Mapping[str, Any], present: Mapping[str, Any]) -> Json:
    """OpenShift assigns a user and an SELinux level; no other field may change."""
    assigned = {key: present[key] for key in ("runAsUser", "runAsGroup") if present.get(key)}
    level = (present.get("seLinuxOptions") or {}).get("level")
    return {**canonical, **assigned, **({"seLinuxOptions": {"level": level}} if level else {})}
