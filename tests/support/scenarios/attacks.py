"""The Pod's author on a node: their rights, the Pod that they attack, and the search for a credential."""

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.checkout import TESTS
from support.kubernetes.kube import Kube
from support.scenarios import scenes
from support.scenarios.scenes import Manifest, Registry
from webhook import names

PROGRAMS = TESTS / "e2e" / "attacks" / "programs"

AUTHOR = "author"
DECLARER = "declarer"
"""May write Connectors, and read no Secret"""
VICTIM = "victim"
CONNECTOR = "team-pypi"
PLAIN = "plain"
"""The same over http, with `allowInsecureHTTP`"""
SIDECAR_UID = 65532

ROOT, TWIN = "root", "twin"
"""Containers of the victim beside `main`: one runs as root, one as the sidecar's own user"""

RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: author}
rules:
  # whatever can be done to Pods; nothing about Secrets
  - apiGroups: [""]
    resources: [pods, pods/exec, pods/attach, pods/log, pods/portforward, pods/ephemeralcontainers, events]
    verbs: ["*"]
  - apiGroups: [""]
    resources: [serviceaccounts/token]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: author}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: author}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: author}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: declarer}
rules:
  - apiGroups: [connectors.alauda.io]
    resources: [connectors]
    verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: declarer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: declarer}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: declarer}
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A team's namespace under Pod Security "baseline": two Connectors, and a running Pod that uses both."""

    kube: Kube = field(repr=False)
    namespace: str
    registry: Registry
    """https, with a private CA"""
    plain: Registry
    """http"""

    @property
    def author(self) -> Kube:
        return self.kube.as_user(AUTHOR, "system:authenticated")

    @property
    def declarer(self) -> Kube:
        return self.kube.as_user(DECLARER, "system:authenticated")

    @property
    def ports(self) -> dict[str, int]:
        """Connector → its loopback port in the victim."""
        sidecar = sidecar_of(self.kube.get("pod", VICTIM, self.namespace))
        listen = next(one["value"] for one in sidecar["env"] if one["name"] == "SIDECAR_LISTEN")
        pairs = (one.rpartition("=") for one in listen.split(","))
        return {key.partition("/")[2]: int(port) for key, _, port in pairs}

    def run(self, program: str, *arguments: str, container: str, stdin: object = None) -> Any:
        """Run a program of `programs/` in a container of the victim, as its author may; its output."""
        place = (self.author, self.namespace, VICTIM)
        return run_program(*place, program, *arguments, container=container, stdin=stdin)


def run_program(
    kube: Kube, namespace: str, pod: str, program: str, *arguments: str, container: str, stdin: object = None
) -> Any:
    command = ["exec", "-i", pod, "-n", namespace, "-c", container, "--", *python(program, *arguments)]
    return json.loads(kube.run(*command, stdin=json.dumps(stdin), timeout=180).stdout)


def python(program: str, *arguments: str) -> list[str]:
    """The command line, for any container that has a Python."""
    return ["python3", "-c", (PROGRAMS / f"{program}.py").read_text(), *arguments]


def shell(program: str, *arguments: str) -> str:
    return shlex.join(python(program, *arguments))


def text(pod: Manifest) -> str:
    return json.dumps(pod)


def spellings(registry: Registry) -> list[str]:
    """The password, and as Secrets and the Authorization header spell it."""
    password = registry.password
    pair = f"{scenes.USERNAME}:{password}"
    return [password, *(base64.b64encode(one.encode()).decode().rstrip("=") for one in (password, pair))]


def idle_pod(name: str, *connectors: str, script: str = "exec sleep 3600", **options: Any) -> Manifest:
    """A Pod that idles, and ends at once when it is deleted."""
    pod = scenes.pod(name, script, ",".join(connectors) or None, **options)
    pod["spec"]["terminationGracePeriodSeconds"] = 1
    return pod


def victim() -> Manifest:
    """The victim. It uses both credentials before it idles; its sidecar logs at level `debug`."""
    script = "pip download --no-deps -d /tmp/x hello-connector && exec sleep 3600"
    pod = idle_pod(VICTIM, CONNECTOR, PLAIN, script=script)
    pod["metadata"]["annotations"][names.LOG_LEVEL] = "debug"
    for name, uid in ((ROOT, 0), (TWIN, SIDECAR_UID)):
        one = {"name": name, "image": scenes.WORKLOAD, "command": ["sleep", "3600"]}
        pod["spec"]["containers"].append({**one, "securityContext": {"runAsUser": uid}})
    return pod


def edited(pod: Manifest, container: Mapping[str, Any] | None = None, **spec: Any) -> Manifest:
    """Its Pod's spec, and its first container, with these fields."""
    first = {**pod["spec"]["containers"][0], **(container or {})}
    return {**pod, "spec": {**pod["spec"], **spec, "containers": [first, *pod["spec"]["containers"][1:]]}}


def sidecar_of(pod: Mapping[str, Any]) -> Manifest:
    found: Manifest = next(one for one in pod["spec"]["initContainers"] if one["name"] == names.SIDECAR)
    return found


def forged_sidecar(command: Sequence[str], *, image: str = scenes.WORKLOAD, **fields: Any) -> Manifest:
    """The sidecar as an attacker writes it: everything that guards can see is correct."""
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    mounts = [
        {"name": names.CONFIG_VOLUME, "mountPath": "/etc/pypi-connector"},
        {"name": names.TOKEN_VOLUME, "mountPath": "/var/run/secrets/pypi-connector", "readOnly": True},
        {"name": names.EMPTY_VOLUME, "mountPath": names.SERVICE_ACCOUNT_DIR, "readOnly": True},
    ]
    container = {
        "name": names.SIDECAR,
        "image": image,
        "command": list(command),
        "restartPolicy": "Always",
        "securityContext": context,
        "volumeMounts": mounts,
    }
    return {**container, **fields}


def forged_volumes() -> list[Manifest]:
    token = {"audience": "pypi-connector", "expirationSeconds": 3600, "path": "token"}
    return [
        {"name": names.CONFIG_VOLUME, "emptyDir": {"medium": "Memory"}},
        {"name": names.TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": names.EMPTY_VOLUME, "emptyDir": {"medium": "Memory"}},
    ]


def broker_refusal(kube: Kube, namespace: str, pod: str, reason: str) -> str:
    """The sentence of the broker's Event on a Pod, once it is there."""

    def told() -> str | None:
        found = [one for one in kube.events(namespace, pod) if one["reason"] == reason]
        return str(found[0]["message"]) if found else None

    return kube.wait_for(told, what=f"the broker to refuse Pod {pod} with {reason}")
