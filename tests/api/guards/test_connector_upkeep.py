"""Guard 5 does not hinder readers of the Secret: administrators, GitOps tools, Kubernetes' controllers.

Garbage collector and namespace controller are the controller manager's own.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes import eve, guards
from support.kubernetes.guarded_connectors import (
    BARE,
    FINALIZER,
    FULL,
    config_map,
    connector,
    create_owner,
    wait_until_gone,
)
from support.kubernetes.guards import Result
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-secret-access"
GITOPS = "gitops"
"""A ServiceAccount of another namespace: a user who creates Pods beside it could run them as it."""
RELEASED = "unless another Connector names it, any Pod of namespace "

GITOPS_RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gitops}
rules:
  - {apiGroups: [connectors.alauda.io], resources: [connectors], verbs: ["*"]}
  - {apiGroups: [""], resources: [configmaps], verbs: ["*"]}
  - {apiGroups: [""], resources: [secrets], resourceNames: [corp], verbs: [get]}
"""


@pytest.fixture(autouse=True)
def _installed(guarded: str) -> None:
    """The guards hold."""


def prepare(kube: Kube, namespace: str) -> None:
    """Nothing: each test has a namespace of its own."""


@pytest.fixture
def thief(kube: Kube, namespace: str) -> Kube:
    return eve.arrive(kube, namespace)


@pytest.fixture
def gitops(kube: Kube, namespace: str) -> Iterator[Kube]:
    with kube.namespace(prefix="gitops") as home:
        kube.create(GITOPS_RIGHTS, namespace=namespace)
        subject = f"--serviceaccount={home}:{GITOPS}"
        kube.run("create", "rolebinding", GITOPS, "-n", namespace, f"--role={GITOPS}", subject)
        yield kube.as_service_account(home, GITOPS)


def apply(kube: Kube, namespace: str, manifest: dict[str, Any], *options: str) -> Result:
    return kube.run("apply", "-n", namespace, *options, "-f", "-", stdin=json.dumps(manifest), check=False)


# -- controllers


@pytest.mark.parametrize("how", ["background", "foreground", "orphan"])
def test_an_administrator_deletes_a_connector_and_the_garbage_collector_ends_it(
    kube: Kube, namespace: str, how: str
) -> None:
    """In the foreground the collector takes its own finalizer away, once the dependents are gone."""
    kube.create(connector(FULL), namespace=namespace)
    uid = kube.get("connector", "corp", namespace)["metadata"]["uid"]
    reference = {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "name": "corp",
        "uid": uid,
    }
    dependent = config_map("dependent", ownerReferences=[{**reference, "blockOwnerDeletion": True}])
    kube.create(dependent, namespace=namespace)
    kube.run("delete", "connector", "corp", "-n", namespace, f"--cascade={how}", "--wait=false")
    wait_until_gone(kube, namespace)
    is_kept = how == "orphan"
    kube.wait_for(
        lambda: (kube.find("configmap", "dependent", namespace) is not None) == is_kept,
        what="the collector to have dealt with the dependent",
    )


def test_the_garbage_collector_deletes_what_an_administrator_gave_an_owner(
    kube: Kube, namespace: str
) -> None:
    """So a user who may delete the owner may delete the Connector: docs/threat-model.md."""
    kube.create(
        connector(FULL, ownerReferences=[create_owner(kube, namespace, "owner")]), namespace=namespace
    )
    kube.delete("configmap", "owner", namespace)
    wait_until_gone(kube, namespace)


def test_a_namespace_ends_with_its_connectors(kube: Kube) -> None:
    with kube.namespace() as name:
        kube.create(connector(FULL), namespace=name)
        kube.run("delete", "namespace", name, "--wait=false")
        kube.wait_for(lambda: kube.find("namespace", name) is None, what="the namespace to be gone")


# -- GitOps


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_a_tool_that_may_get_the_secret_applies_and_prunes(
    gitops: Kube, namespace: str, options: tuple[str, ...]
) -> None:
    labels = {"app": "registry"}
    for address in ("https://one.example", "https://two.example"):
        manifest = connector({**FULL, "address": address}, labels=labels)
        assert apply(gitops, namespace, manifest, *options).returncode == 0
    assert apply(gitops, namespace, connector(FULL, labels={**labels, "a": "b"}), *options).returncode == 0
    if options:
        gitops.run("delete", "connector", "corp", "-n", namespace)
    else:
        kinds = [
            f"--prune-allowlist={one}"
            for one in ("connectors.alauda.io/v1alpha1/Connector", "core/v1/ConfigMap")
        ]
        result = apply(
            gitops, namespace, config_map("kept", labels=labels), "--prune", "-l", "app=registry", *kinds
        )
        assert "connector.connectors.alauda.io/corp pruned" in result.stdout, result
    assert gitops.find("connector", "corp", namespace) is None


def test_a_tool_without_the_right_reads_which_secret_and_namespace_it_needs(
    thief: Kube, gitops: Kube, namespace: str
) -> None:
    spec = {**FULL, "caCertSecretRef": {"name": "corp-ca"}}
    result = apply(gitops, namespace, connector(spec))
    assert guards.is_refused_by(GUARD, result), result
    assert f"ask for the verb get on Secret corp, corp-ca in namespace {namespace}" in result.stderr


def test_a_deletion_that_is_refused_says_why(kube: Kube, thief: Kube, namespace: str) -> None:
    kube.create(connector(FULL), namespace=namespace)
    result = thief.run("delete", "connector", "corp", "-n", namespace, check=False)
    assert (
        "whoever deletes a Connector must be allowed to get the Secrets that it names, since the guard that"
        f" keeps Pods from using them goes with it, and system:serviceaccount:{namespace}:eve is not: ask for"
        f" the verb get on Secret corp in namespace {namespace}, or leave it to somebody who has it"
    ) in result.stderr


def test_two_connectors_of_a_secret_are_guarded_alike(kube: Kube, thief: Kube, namespace: str) -> None:
    kube.create(connector(FULL), connector(FULL, "twin"), namespace=namespace)
    assert guards.is_refused_by(GUARD, guards.kubectl("delete", "connector", "twin")(thief, namespace))


def test_a_connector_without_a_secret_is_open_to_all_who_may_write_connectors(
    thief: Kube, namespace: str
) -> None:
    thief.create(connector(BARE, finalizers=[FINALIZER]), namespace=namespace)
    thief.run("label", "connector", "corp", "-n", namespace, "app=x")
    thief.run("delete", "connector", "corp", "-n", namespace, "--wait=false")
    thief.patch("connector", "corp", {"metadata": {"finalizers": None}}, namespace)
    wait_until_gone(thief, namespace)


# -- what an administrator lifts knowingly


def test_a_secret_that_is_named_no_longer_is_warned_of(kube: Kube, namespace: str) -> None:
    said = RELEASED + f"{namespace} can use Secret corp from now on: delete it, or change its password"
    kube.create(connector(FULL), namespace=namespace)
    specs = ({"auth": None}, {"auth": {"secretRef": {"name": "other"}}})
    changes = [guards.patch({"spec": spec}, target="connector/corp") for spec in specs]
    for act in (*changes, guards.kubectl("delete", "connector", "corp")):
        result = act(kube, namespace)
        assert (result.returncode, said in result.stderr) == (0, True), result


def test_nobody_else_is_warned(kube: Kube, namespace: str) -> None:
    kube.create(connector(FULL), namespace=namespace)
    harmless = (
        {"address": "https://two.example"},
        {"caCertSecretRef": {"name": "ca"}},
        {"caCertSecretRef": None},
    )
    for change in harmless:
        result = guards.patch({"spec": change}, target="connector/corp", dry_run=False)(kube, namespace)
        assert (result.returncode, result.stderr) == (0, "")
    kube.create(connector(BARE, "public"), namespace=namespace)
    assert kube.run("delete", "connector", "public", "-n", namespace).stderr == ""
