"""Guard 10: the Service of a Connector is the product's, for clients send their tokens to its name."""

from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guarded_connectors import BARE, connector
from support.kubernetes.guards import ADMINISTRATOR, Attack, title
from support.kubernetes.kube import Kube
from webhook.identifiers import ConnectorKey
from webhook.status.proxy_service import proxy_service

GUARD = "pypi-connector-proxy-service"
GATEWAY = "pypi-connector-gateway.pypi-connector-system.svc.cluster.local"
WORDS = "is the address of Connector corp, to which clients send their tokens"


def prepare(kube: Kube, namespace: str) -> None:
    """A Connector with its Service, one without yet, and a Service that was there before its Connector."""
    kube.create(connector(BARE), connector(BARE, "new"), namespace=namespace)
    uid = kube.get("connector", "corp", namespace)["metadata"]["uid"]
    kube.create(proxy_service("c-corp", ConnectorKey(namespace, "corp"), uid, GATEWAY), namespace=namespace)
    kube.create(service("c-older"), namespace=namespace)
    kube.create(connector(BARE, "older"), namespace=namespace)


def service(name: str, **metadata: Any) -> dict[str, Any]:
    spec = {"selector": {"app": "evil"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, **metadata}, "spec": spec}


def kubectl(*arguments: str) -> guards.Act:
    return guards.kubectl(*arguments, "--dry-run=server")


def change(**fields: Any) -> guards.Act:
    return guards.patch(fields, target="service/c-corp")


ATTACKS = [
    Attack("squat", guards.create(service("c-new")), WORDS.replace("corp", "new")),
    Attack("lead elsewhere", change(spec={"externalName": "evil"}), WORDS),
    Attack(
        "take addresses",
        change(spec={"externalIPs": ["1.2.3.4"]}),
        WORDS,
    ),
    Attack("take the label off", kubectl("label", "service/c-corp", "connectors.alauda.io/proxy-of-"), WORDS),
    Attack(
        "take the owner off",
        change(metadata={"ownerReferences": None}),
        WORDS,
    ),
    Attack("delete", kubectl("delete", "service/c-corp"), WORDS),
    Attack("delete all", kubectl("delete", "services", "--all"), WORDS),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_writes_the_service_of_a_connector(kube: Kube, guarded: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, ADMINISTRATOR), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_an_administrator_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    person = guards.as_person(kube, ADMINISTRATOR)
    guards.assert_succeeds_unguarded(GUARD, attack, person, unguarded)


@pytest.mark.parametrize(
    "act",
    [
        guards.create(service("c-other")),
        guards.create(service("web", labels={"connectors.alauda.io/proxy-of": "corp"})),
        kubectl("label", "service/c-older", "team=x"),
        kubectl("delete", "service/c-older"),
    ],
    ids=["no Connector of that name", "another name", "a Service from before", "and its end"],
)
def test_other_services_are_written_as_ever(kube: Kube, guarded: str, act: guards.Act) -> None:
    result = act(guards.as_person(kube, ADMINISTRATOR), guarded)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_the_product_and_cluster_administrators_may(kube: Kube, guarded: str, attack: Attack) -> None:
    result = attack.act(kube, guarded)
    assert result.returncode == 0, result.stderr


def test_kubernetes_cleans_up(kube: Kube, guarded: str) -> None:
    for account in ("generic-garbage-collector", "namespace-controller"):
        user = f"system:serviceaccount:kube-system:{account}"
        groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated")
        result = kubectl("delete", "service/c-corp")(kube.as_user(user, *groups), guarded)
        assert "denied request" not in result.stderr
