"""Attacks on the guards: the attackers, the Pods, and the outcome with and without the guard.

Each attack is made twice. With the guards as they are shipped it must be refused, by the one that is meant
and in its words. In a namespace from which that one is lifted it must succeed: so the refusal was not for
want of permission, and the test can fail.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

from support.kubernetes.kube import Kube
from webhook.connector.manifest import parse_connector
from webhook.pod.decision import decide
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.settings import Settings

Pod = dict[str, Any]
Result = CompletedProcess[str]

CONNECTOR = "connectors.alauda.io/connector"
SIDECAR = "pypi-connector"
IMAGE = "example.test/pypi-connector-sidecar:1"

AUTHOR, ADMINISTRATOR, CLUSTER_ADMINISTRATOR = PEOPLE = (
    "author",
    "namespace-administrator",
    "cluster-administrator",
)

_RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: author}
rules:
  # whatever can be done to Pods; nothing about Secrets
  - apiGroups: [""]
    resources: [pods, pods/exec, pods/attach, pods/ephemeralcontainers, pods/status, pods/binding]
    verbs: ["*"]
  - apiGroups: [""]
    resources: [serviceaccounts/token, pods/resize, bindings]
    verbs: ["*"]
  - apiGroups: [apps, batch]
    resources: ["*"]
    verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: author}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: author}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: author}
  # the ClusterRole admin alone covers neither debugging nor statuses: nothing would be left to refuse
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: namespace-administrator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: namespace-administrator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: namespace-administrator}]
"""


def give_rights(kube: Kube, namespace: str) -> None:
    kube.apply(_RIGHTS, namespace=namespace)


def as_person(kube: Kube, which: str) -> Kube:
    """The cluster as one of `PEOPLE` sees it."""
    return kube if which == CLUSTER_ADMINISTRATOR else kube.as_user(which, "system:authenticated")


def as_kubelet(kube: Kube) -> Kube:
    return kube.as_user("system:node:guards-node", "system:nodes", "system:authenticated")


# -- Pods


def plain_pod(name: str = "victim", **spec: Any) -> Pod:
    """A Pod for no node: after the guards, it fails in the same way on every cluster."""
    containers = [{"name": "app", "image": "example.test/app:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": containers, **spec},
    }


def asking_pod(name: str = "victim", **spec: Any) -> Pod:
    """A Pod that asks for a connector, as its author writes it."""
    pod = plain_pod(name, **spec)
    pod["metadata"]["annotations"] = {CONNECTOR: "pypi"}
    return pod


def injected_pod(name: str = "victim", **spec: Any) -> Pod:
    """The same Pod as admission leaves it: no webhook takes part in these tests."""
    settings = Settings(
        sidecar_image=IMAGE,
        allowed_images=(IMAGE,),
        broker_ca=("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",),
    )
    manifest = {
        "metadata": {"namespace": "team", "name": "pypi"},
        "spec": {"connectorClassName": "pypi", "address": "https://pypi.example"},
    }
    connector = parse_connector(manifest)
    pod = asking_pod(name, **spec)
    decision = decide(
        pod,
        namespace="team",
        lookup=lambda _: connector,
        settings=settings,
        facts=NamespaceFacts({"connectors.alauda.io/allow-unconfined": "true"}),
    )
    assert decision.pod is not None, decision.message
    return decision.pod


def token_volume(name: str, *, audience: str = "pypi-connector") -> dict[str, Any]:
    source = {"serviceAccountToken": {"audience": audience, "path": "token"}}
    return {"name": name, "projected": {"sources": [source]}}


def projecting_pod(volume: str = "mine") -> Pod:
    """A Pod whose author gives its container the sidecar's token."""
    pod = plain_pod("thief", volumes=[token_volume(volume)])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": volume, "mountPath": "/t"}]
    return pod


def sidecar_of(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in pod["spec"]["initContainers"] if one["name"] == SIDECAR)
    return found


# -- what people do

Act = Callable[[Kube, str], Result]
"""By whom, in which namespace"""


@dataclass(frozen=True, slots=True)
class Attack:
    """A request that a guard must refuse."""

    name: str
    act: Act
    words: str
    """In the refusal"""


def title(attack: Attack) -> str:
    """For `ids`."""
    return attack.name.replace(" ", "-")


def kubectl(*arguments: str) -> Act:
    return lambda kube, namespace: kube.run("-n", namespace, *arguments, check=False)


def create(pod: Pod) -> Act:
    """Admission takes a dry run for real, and nothing is left of it. Unknown fields are the case of another
    test."""

    def act(kube: Kube, namespace: str) -> Result:
        arguments = ("create", "-n", namespace, "--dry-run=server", "--validate=ignore", "-f", "-")
        return kube.run(*arguments, stdin=json.dumps(pod), check=False)

    return act


def patch(
    change: object, *options: str, target: str = "pod/victim", kind: str = "merge", dry_run: bool = True
) -> Act:
    dry = ("--dry-run=server",) if dry_run else ()
    return kubectl("patch", target, *options, *dry, "--type", kind, "-p", json.dumps(change))


def add_ephemeral(*containers: dict[str, Any], target: str = "pod/victim", dry_run: bool = True) -> Act:
    change = {"spec": {"ephemeralContainers": list(containers)}}
    return patch(
        change, "--subresource=ephemeralcontainers", target=target, kind="strategic", dry_run=dry_run
    )


def ephemeral(**values: Any) -> dict[str, Any]:
    return {"name": "debugger", "image": "example.test/debug:1", **values}


# -- how it ends


def is_refused_by(policy: str, result: Result) -> bool:
    return result.returncode != 0 and f"ValidatingAdmissionPolicy '{policy}'" in result.stderr


def assert_refused(policy: str, attack: Attack, kube: Kube, namespace: str) -> None:
    result = attack.act(kube, namespace)
    assert is_refused_by(policy, result), f"not refused by {policy}: {result}"
    assert attack.words in result.stderr


def assert_passes(result: Result) -> None:
    """Assert that no guard refuses it. It may get a warning, or fail later: an exec needs a node."""
    assert "denied request" not in result.stderr, result.stderr
    if result.returncode != 0:
        assert "does not have a host assigned" in result.stderr, result.stderr


def assert_succeeds_unguarded(policy: str, attack: Attack, kube: Kube, namespace: str) -> None:
    """`namespace` is one where the guard has been lifted."""
    assert_passes(until(kube, attack.act, namespace, lambda result: not is_refused_by(policy, result)))


def until(kube: Kube, act: Act, namespace: str, is_so: Callable[[Result], bool]) -> Result:
    """The first result of which that can be said: a change of a policy takes a second to come into effect."""
    results: list[Result] = []

    def attempt() -> bool:
        results.append(act(kube, namespace))
        return is_so(results[-1])

    kube.wait_for(attempt, what="a change of the guards")
    return results[-1]


@contextmanager
def lifted(kube: Kube, policies: tuple[str, ...], namespace: str) -> Iterator[None]:
    """Lift some guards in a namespace; elsewhere they stay as they are shipped."""
    elsewhere = {
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace]}
        ]
    }
    try:
        for policy in policies:
            bind(kube, policy, {"namespaceSelector": elsewhere})
        yield
    finally:
        for policy in policies:
            bind(kube, policy, None)


def bind(kube: Kube, policy: str, resources: object) -> None:
    """`resources` limits the guard to some kinds; None keeps the shipped ones."""
    kube.patch("validatingadmissionpolicybinding", policy, {"spec": {"matchResources": resources}})
