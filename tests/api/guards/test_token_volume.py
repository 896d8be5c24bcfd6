"""Guard 1: a token for our audience reaches our container, and no other."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Attack, Pod, create, title
from support.kubernetes.kube import Kube
from webhook import names

GUARD = "pypi-connector-token-volume"
LIFTED = ("pypi-connector-debug", "pypi-connector-isolation")
MOUNT = {"name": "pypi-connector-token", "mountPath": "/t", "readOnly": True}


def prepare(kube: Kube, namespace: str) -> None:
    kube.create(guards.injected_pod(), guards.plain_pod("stranger"), namespace=namespace)


def mounted_in(kind: str) -> Pod:
    pod = guards.injected_pod("thief", initContainers=[{"name": "first", "image": "example.test/first:1"}])
    pod["spec"][kind][-1].setdefault("volumeMounts", []).append(MOUNT)
    return pod


def among_other_sources() -> Pod:
    pod = guards.projecting_pod()
    pod["spec"]["volumes"][0]["projected"]["sources"].insert(0, {"configMap": {"name": "c"}})
    return pod


def under_our_name() -> Pod:
    """The name of the volume does not help where there is no sidecar."""
    return guards.projecting_pod("pypi-connector-token")


def beside_ours() -> Pod:
    pod = guards.injected_pod("thief")
    pod["spec"]["volumes"].append(guards.token_volume("mine"))
    return pod


def in_a_container_called_like_ours() -> Pod:
    pod = guards.projecting_pod("pypi-connector-token")
    pod["spec"]["containers"][0]["name"] = "pypi-connector"
    return pod


ATTACKS = [
    Attack("own volume", create(guards.projecting_pod()), "is projected by volume mine"),
    Attack("own volume with other sources", create(among_other_sources()), "is projected by volume mine"),
    Attack("own volume beside ours", create(beside_ours()), "is projected by volume mine"),
    Attack("own volume under our name", create(under_our_name()), "is mounted by container app"),
    Attack(
        "ordinary container of our name", create(in_a_container_called_like_ours()), "mounted by container"
    ),
    Attack("our volume in a container", create(mounted_in("containers")), "is mounted by container app"),
    Attack("our volume in an init container", create(mounted_in("initContainers")), "by container first"),
    Attack(
        "our volume in an ephemeral container",
        guards.add_ephemeral(guards.ephemeral(volumeMounts=[MOUNT])),
        "",
    ),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_mounts_our_token_elsewhere(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    person = guards.as_person(kube, who)
    if "ephemeral" in attack.name:  # refused by two guards, and the API server names one of them
        result = attack.act(person, guarded)
        assert guards.is_refused_by(GUARD, result) or guards.is_refused_by("pypi-connector-debug", result)
    else:
        guards.assert_refused(GUARD, attack, person, guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pods_author_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


def test_it_alone_keeps_the_token_from_ephemeral_containers(kube: Kube) -> None:
    with kube.namespace() as namespace, guards.lifted(kube, ("pypi-connector-debug",), namespace):
        prepare(kube, namespace)
        attack = ATTACKS[-1]
        kube.wait_for(lambda: guards.is_refused_by(GUARD, attack.act(kube, namespace)))


# -- the gateway's own Pods


def gateway_pod(name: str = "gateway", **spec: Any) -> Pod:
    """It projects our audience, under any name, into a container of any name."""
    pod = guards.projecting_pod()
    pod["metadata"]["name"] = name
    pod["spec"] |= {"serviceAccountName": names.GATEWAY, **spec}
    return pod


@pytest.fixture(scope="module")
def product(kube: Kube) -> Iterator[str]:
    """The product's own namespace."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.GATEWAY}}
    is_new = kube.find("namespace", names.NAMESPACE) is None
    if is_new:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}})
    kube.apply(account, namespace=names.NAMESPACE)
    yield names.NAMESPACE
    if is_new:
        kube.delete("namespace", names.NAMESPACE)


def test_the_gateways_own_pod_has_a_token_for_the_broker(kube: Kube, product: str) -> None:
    guards.assert_passes(create(gateway_pod())(kube, product))


def test_a_running_gateway_stays_updatable(kube: Kube, product: str) -> None:
    kube.create(gateway_pod("updated"), namespace=product)
    try:
        image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "example.test/app:2"}]
        guards.assert_passes(guards.patch(image, target="pod/updated", kind="json")(kube, product))
    finally:
        kube.delete("pod", "updated", product, now=True)


@pytest.mark.parametrize("who", PEOPLE)
def test_a_pod_of_that_account_elsewhere_is_no_gateway(kube: Kube, guarded: str, who: str) -> None:
    """Its author may create a ServiceAccount of that name in a namespace of their own."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.GATEWAY}}
    kube.apply(account, namespace=guarded)
    attack = Attack("account of that name", create(gateway_pod()), "is projected by volume mine")
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("account", ["default", f"{names.GATEWAY}-2", names.BROKER])
def test_another_pod_of_the_products_namespace_is_no_gateway(kube: Kube, product: str, account: str) -> None:
    other = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    kube.apply(other, namespace=product)
    pod = gateway_pod(serviceAccountName=account)
    attack = Attack("other account", create(pod), "is projected by volume mine")
    guards.assert_refused(GUARD, attack, kube, product)


def test_the_deprecated_field_makes_no_gateway_of_a_pod_with_another_account(
    kube: Kube, product: str
) -> None:
    """The API server lets `serviceAccountName` win over `serviceAccount`."""
    pod = gateway_pod(serviceAccountName="default", serviceAccount=names.GATEWAY)
    attack = Attack("deprecated field", create(pod), "is projected by volume mine")
    guards.assert_refused(GUARD, attack, kube, product)


def harmless() -> dict[str, Any]:
    other = guards.projecting_pod()
    other["spec"]["volumes"] = [guards.token_volume("mine", audience="vault")]
    gateways = guards.projecting_pod()
    gateways["spec"]["volumes"] = [guards.token_volume("mine", audience="pypi-connector-gateway")]
    default = guards.projecting_pod()
    del default["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"]
    return {
        "an injected Pod": guards.injected_pod("ours"),
        "another audience": other,
        "the audience of clients of the gateway": gateways,
        "the API server's own audience": default,
        "no volumes": guards.plain_pod("other"),
    }


@pytest.mark.parametrize("pod", harmless().values(), ids=list(harmless()))
def test_other_tokens_are_nobodys_business(kube: Kube, guarded: str, pod: Pod) -> None:
    guards.assert_passes(create(pod)(guards.as_person(kube, AUTHOR), guarded))


def test_a_pod_from_before_the_guard_stays_updatable(kube: Kube, unguarded: str) -> None:
    """Its finalizer could never be removed otherwise, nor its status written."""
    old = guards.projecting_pod()
    old["metadata"] |= {"name": "old", "finalizers": ["example.test/held"]}
    kube.wait_for(lambda: kube.create(old, namespace=unguarded, check=False).returncode == 0)
    guards.bind(kube, GUARD, None)
    kube.wait_for(
        lambda: guards.is_refused_by(GUARD, create(guards.projecting_pod())(kube, unguarded)),
        what="the guard to hold again",
    )
    kube.patch("pod", "old", {"metadata": {"labels": {"app": "x"}}}, unguarded)
    kube.patch("pod", "old", {"metadata": {"finalizers": None}}, unguarded)
