"""Guard 4 for Namespaces: where a Namespace asks for a connector, no Pod starts past the webhook."""

import copy
import json
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS
from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Attack, Pod, create, title
from support.kubernetes.kube import Kube
from webhook import names

GUARD = "pypi-connector-injected-by-namespace"
LABEL = {names.INJECT: names.OPTED_IN}
ABSENT = "but the webhook was not asked about this one"


def prepare(kube: Kube, namespace: str) -> None:
    kube.run("label", "namespace", namespace, f"{names.INJECT}={names.OPTED_IN}")
    kube.run("annotate", "namespace", namespace, f"{names.CONNECTOR}=pypi")


def annotated(annotations: dict[str, str]) -> Pod:
    pod = guards.plain_pod("thief")
    pod["metadata"]["annotations"] = annotations
    return pod


def without_our_annotations() -> Pod:
    """The whole sidecar, and no request for the broker to go by."""
    pod = guards.injected_pod("thief")
    del pod["metadata"]["annotations"]
    return pod


def result(**fields: str) -> dict[str, str]:
    return {names.RESULT: json.dumps(fields)}


ATTACKS = [
    Attack("of nobody", create(guards.plain_pod("thief")), ABSENT),
    Attack("hostNetwork", create(guards.plain_pod("thief", hostNetwork=True)), ABSENT),
    Attack("opted out by another word", create(annotated({names.INJECT: "no"})), ABSENT),
    Attack("another decision", create(annotated(result(decision="injected"))), ABSENT),
    Attack(
        "the decision in a message",
        create(annotated(result(decision="injected", message='"decision": "skipped"'))),
        ABSENT,
    ),
    Attack("annotations dropped", create(without_our_annotations()), ABSENT),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_a_pod_past_the_webhook_is_refused(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_it_would_start(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


def harmless() -> dict[str, Pod]:
    mirror = annotated({"kubernetes.io/config.mirror": "0"})
    mirror["spec"]["nodeName"] = "guards-node"
    return {
        "injected": guards.injected_pod("ours"),
        "opted out": annotated({names.INJECT: "false"}),
        "let through": annotated(result(decision="skipped", reason="HostNetwork")),
        "mirror of a static Pod": mirror,
    }


@pytest.mark.parametrize("pod", harmless().values(), ids=list(harmless()))
def test_other_pods_start(kube: Kube, guarded: str, pod: Pod) -> None:
    guards.assert_passes(create(pod)(guards.as_person(kube, AUTHOR), guarded))


@pytest.mark.parametrize(
    ("labels", "annotations"),
    [({}, {names.CONNECTOR: "pypi"}), ({names.INJECT: "true"}, {names.CONNECTOR: "pypi"}), (LABEL, {})],
    ids=["no-label", "another-value", "no-annotation"],
)
def test_a_namespace_that_asks_for_nothing_is_not_guarded(
    kube: Kube, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    with kube.namespace(labels=labels, prefix="asking-for-nothing") as namespace:
        for key, value in annotations.items():
            kube.run("annotate", "namespace", namespace, f"{key}={value}")
        guards.assert_passes(create(guards.plain_pod())(kube, namespace))


@pytest.mark.parametrize("namespace", ["kube-system", names.NAMESPACE])
def test_the_label_closes_no_namespace_of_the_cluster_itself(kube: Kube, namespace: str) -> None:
    metadata: dict[str, Any] = {"name": namespace, "labels": LABEL, "annotations": {names.CONNECTOR: "pypi"}}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    kube.create(account, namespace=namespace, check=False)
    try:
        guards.assert_passes(create(guards.plain_pod())(kube, namespace))
    finally:
        kube.run("label", "namespace", namespace, f"{names.INJECT}-")


def test_the_guard_looks_at_the_pods_that_the_webhook_is_asked_about() -> None:
    """But for a second round: then the Pod names a connector, and guard 4 itself judges it."""
    policies = yaml.safe_load_all((MANIFESTS / "policies" / "injected.yaml").read_text())
    policy = next(one for one in policies if one["metadata"]["name"] == GUARD)
    webhooks = yaml.safe_load((MANIFESTS / "webhook" / "mutating.yaml").read_text())["webhooks"]
    (webhook,) = [one for one in webhooks if one["name"] == "namespaces.connectors.alauda.io"]
    constraints = policy["spec"]["matchConstraints"]
    assert constraints["namespaceSelector"] == webhook["namespaceSelector"]
    conditions = copy.deepcopy(webhook["matchConditions"])
    first, again = conditions[0]["expression"].split(" || object.metadata.?annotations[?")
    conditions[0]["expression"] = first
    assert again.startswith(f"'{names.RESULT}']")
    assert policy["spec"]["matchConditions"] == conditions
