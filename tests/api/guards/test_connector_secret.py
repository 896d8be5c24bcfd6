"""Guard 5: a user who writes a Connector may read the Secrets that it names, before and afterwards."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import Act, Attack, patch, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-secret-access"

WRITER = "connector-writer"
"""May write Connectors, and read the Secret `readable`"""

_RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: connector-writer}
rules:
  - {apiGroups: [connectors.alauda.io], resources: [connectors, connectors/status], verbs: ["*"]}
  - {apiGroups: [""], resources: [secrets], resourceNames: [readable], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: connector-writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: connector-writer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: connector-writer}]
"""


def connector(name: str = "new", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "metadata": {"name": name},
        "spec": {"connectorClassName": "pypi", "address": "https://pypi.example", **spec},
    }


def auth(secret: str, **reference: Any) -> dict[str, Any]:
    return {"name": "basicAuth", "secretRef": {"name": secret, **reference}}


def prepare(kube: Kube, namespace: str) -> None:
    kube.apply(_RIGHTS, namespace=namespace)
    theirs = connector("theirs", auth=auth("hidden"))
    theirs["metadata"]["annotations"] = {"team.example/a": "x", "cpaas.io/display-name": "x"}
    crowded = connector("theirs-with-hundreds", auth=auth("hidden"))
    crowded["metadata"]["annotations"] = {f"{number:x}": "" for number in range(200)}
    kube.create(
        theirs,
        crowded,
        connector("theirs-of-both", auth=auth("readable"), caCertSecretRef={"name": "hidden"}),
        connector("ours", auth=auth("readable")),
        connector("anonymous"),
        namespace=namespace,
    )


def create(manifest: Mapping[str, Any]) -> Act:
    return guards.create(dict(manifest))


def change(name: str, **spec: Any) -> Act:
    return patch({"spec": spec}, target=f"connector/{name}")


def metadata(**values: Any) -> Act:
    return patch({"metadata": values}, target="connector/theirs")


def among_hundreds(kube: Kube, namespace: str) -> guards.Result:
    """Nobody compares so many of them."""
    change = {"metadata": {"annotations": {"cpaas.io/description": "x"}}}
    return patch(change, target="connector/theirs-with-hundreds")(kube, namespace)


def forged(change: Callable[[dict[str, Any]], None]) -> Act:
    """Changes the owners of the fields of `theirs`, and no field."""

    def act(kube: Kube, namespace: str) -> guards.Result:
        path = f"/apis/connectors.alauda.io/v1alpha1/namespaces/{namespace}/connectors/theirs"
        manifest = json.loads(kube.run("get", "--raw", path).stdout)
        for owner in manifest["metadata"]["managedFields"]:
            change(owner)
        put = ("replace", "--raw", path + "?dryRun=All", "-f", "-")
        return kube.run(*put, stdin=json.dumps(manifest), check=False)

    return act


def move_annotation(owner: dict[str, Any]) -> None:
    """So that the next server-side apply of that tool takes the annotation away."""
    owner["manager"] = "gitops"


def own_more(owner: dict[str, Any]) -> None:
    owner["fieldsV1"].setdefault("f:metadata", {})["f:labels"] = {"f:team": {}}


def flip(owner: dict[str, Any]) -> None:
    """So that an apply of that tool takes nothing away any more."""
    owner["subresource"] = "status"


OWNER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "absent",
    "uid": "0a0a0a0a-0000-4000-8000-0a0a0a0a0a0a",
}
WORDS = "connector-writer is not: ask for the verb get on Secret "
ATTACKS = [
    Attack("new Connector", create(connector(auth=auth("hidden"))), WORDS + "hidden in namespace"),
    Attack("Secret of an existing Connector", change("ours", auth=auth("hidden")), WORDS + "hidden"),
    Attack("Secret for an anonymous Connector", change("anonymous", auth=auth("hidden")), WORDS + "hidden"),
    Attack("address of somebody's Connector", change("theirs", address="https://evil.example"), WORDS),
    Attack("parameter", change("theirs", params=[{"name": "authorization", "value": "namespace"}]), WORDS),
    Attack(
        "CA from a hidden Secret",
        create(connector(auth=auth("readable"), caCertSecretRef={"name": "hidden"})),
        WORDS + "readable, hidden",
    ),
    Attack("Secret taken out", change("theirs", auth=None), WORDS + "hidden"),
    Attack("own Secret in its place", change("theirs", auth=auth("readable")), WORDS + "readable, hidden"),
    Attack("CA taken out", change("theirs-of-both", caCertSecretRef=None), WORDS + "readable, hidden"),
    Attack("finalizer", metadata(finalizers=["team.example/last"]), WORDS + "hidden"),
    Attack("owner", metadata(ownerReferences=[OWNER]), WORDS + "hidden"),
    Attack("label", metadata(labels={"app": "x"}), WORDS + "hidden"),
    Attack("annotation", metadata(annotations={"argocd.argoproj.io/tracking-id": "x"}), WORDS + "hidden"),
    Attack("changed annotation", metadata(annotations={"team.example/a": "y"}), WORDS + "hidden"),
    Attack("removed annotation", metadata(annotations={"team.example/a": None}), WORDS + "hidden"),
    Attack("annotation of that kind", metadata(annotations={"cpaas.io/other": "y"}), WORDS + "hidden"),
    Attack("description among hundreds", among_hundreds, WORDS + "hidden"),
    Attack("owners of fields", metadata(managedFields=[{}]), WORDS + "hidden"),
    Attack("fields of another tool", forged(move_annotation), WORDS + "hidden"),
    Attack("owner of a label", forged(own_more), WORDS + "hidden"),
    Attack("owner of a subresource", forged(flip), WORDS + "hidden"),
    Attack("deletion", guards.kubectl("delete", "connector", "theirs", "--dry-run=server"), WORDS + "hidden"),
    Attack(
        "deletion for its CA",
        guards.kubectl("delete", "connector", "theirs-of-both", "--dry-run=server"),
        WORDS + "readable, hidden",
    ),
]


def test_among_thousands_of_owned_fields_a_description_counts_as_any_change(kube: Kube, guarded: str) -> None:
    """Nobody compares so many. Guard 9 allows them to no Connector, but may be younger than this one."""
    names = {f"f:x{number}": {f"f:y{inner}": {} for inner in range(64)} for number in range(16)}
    owner = {
        "manager": "tool",
        "operation": "Apply",
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": names},
    }
    crowded = connector("theirs-with-owners", auth=auth("hidden"))
    crowded["metadata"]["managedFields"] = [owner]
    with guards.lifted(kube, ("pypi-connector-depth",), guarded):
        guards.until(kube, create(crowded), guarded, lambda result: result.returncode == 0)
        kube.create(crowded, namespace=guarded)
        writer = kube.as_user(WRITER, "system:authenticated")
        describe = {"metadata": {"annotations": {"cpaas.io/description": "x"}}}
        result = patch(describe, target="connector/theirs-with-owners")(writer, guarded)
    assert guards.is_refused_by(GUARD, result), result
    assert WORDS + "hidden" in result.stderr


FOREIGN = "a Connector uses Secrets of its own namespace only, which is "


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_uses_a_secret_that_they_may_not_read(kube: Kube, guarded: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, kube.as_user(WRITER, "system:authenticated"), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_they_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    writer = kube.as_user(WRITER, "system:authenticated")
    guards.assert_succeeds_unguarded(GUARD, attack, writer, unguarded)


@pytest.mark.parametrize(
    "spec",
    [
        {"auth": auth("readable", namespace="elsewhere")},
        {"caCertSecretRef": {"name": "readable", "namespace": "elsewhere"}},
    ],
)
def test_nobody_names_a_secret_of_another_namespace(kube: Kube, guarded: str, spec: dict[str, Any]) -> None:
    result = create(connector(**spec))(kube, guarded)
    assert guards.is_refused_by(GUARD, result), result
    assert FOREIGN + guarded in result.stderr


HARMLESS: Mapping[str, Act] = {
    "anonymous": create(connector()),
    "anonymous with a name of its auth": create(connector(auth={"name": "basicAuth"})),
    "a readable Secret": create(connector(auth=auth("readable"), caCertSecretRef={"name": "readable"})),
    "address of an own Connector": change("ours", address="https://other.example"),
    "address of an anonymous one": change("anonymous", address="https://other.example"),
    "description of somebody's Connector": metadata(annotations={"cpaas.io/description": "x"}),
    "other name of somebody's Connector": metadata(annotations={"cpaas.io/display-name": "y"}),
    "no name of somebody's Connector": metadata(annotations={"cpaas.io/display-name": None}),
    "nothing new of somebody's Connector": metadata(annotations={"team.example/a": "x"}),
    "label on an anonymous one": patch({"metadata": {"labels": {"a": "b"}}}, target="connector/anonymous"),
    "an anonymous one away": guards.kubectl("delete", "connector", "anonymous", "--dry-run=server"),
    "an own one away": guards.kubectl("delete", "connector", "ours", "--dry-run=server"),
    "an own Secret away": change("ours", auth=None),
    "status of somebody's Connector": patch(
        {"status": {"conditions": []}}, "--subresource=status", target="connector/theirs"
    ),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_all_else_needs_no_permission_on_secrets(kube: Kube, guarded: str, act: Act) -> None:
    result = act(kube.as_user(WRITER, "system:authenticated"), guarded)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("who", ["namespace-administrator", "cluster-administrator"])
def test_administrators_may_read_secrets_and_so_may_declare(kube: Kube, guarded: str, who: str) -> None:
    aggregated = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "administrator-of-connectors"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "connector-writer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}],
    }
    kube.apply(json.dumps(aggregated), namespace=guarded)
    result = create(connector(auth=auth("hidden")))(guards.as_person(kube, who), guarded)
    assert result.returncode == 0, result.stderr
