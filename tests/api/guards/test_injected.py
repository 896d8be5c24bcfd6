"""Guard 4: a Pod that asks for a connector starts with our container or not at all."""

from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS
from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Attack, Pod, create, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-injected"


def prepare(kube: Kube, namespace: str) -> None:
    """Nothing: the attacks are creations."""


def without(*fields: str) -> Pod:
    pod = guards.injected_pod("thief")
    for field in fields:
        del guards.sidecar_of(pod)[field]
    return pod


def among_ordinary_containers() -> Pod:
    """As a webhook that knows no native sidecars might leave it."""
    pod = guards.injected_pod("thief")
    sidecar = pod["spec"]["initContainers"].pop()
    for field in ("restartPolicy", "lifecycle", "volumeMounts"):
        del sidecar[field]
    pod["spec"]["containers"].append(sidecar)
    return pod


def publishing() -> Pod:
    pod = guards.asking_pod()
    pod["metadata"]["annotations"] = {"connectors.alauda.io/publish-connector": "pypi"}
    return pod


def opted_out(value: str) -> Pod:
    pod = guards.asking_pod()
    pod["metadata"]["annotations"]["connectors.alauda.io/inject"] = value
    return pod


VOLUME = {
    "name": "pip",
    "csi": {
        "driver": "connectors-csi",
        "readOnly": True,
        "volumeAttributes": {"connector.name": "pypi", "configuration.names": "pipconf"},
    },
}


def with_volume(marked: str | None = None, pod: Pod | None = None) -> Pod:
    """A Pod that still has the driver's volume, and the annotation that admission writes about it."""
    pod = pod or guards.plain_pod("thief")
    pod["spec"].setdefault("volumes", []).append(VOLUME)
    if marked is not None:
        pod["metadata"].setdefault("annotations", {})["connectors.alauda.io/csi-volumes"] = marked
    return pod


UNSERVED = "volume pip is of the CSI driver connectors-csi, and nothing serves it: the webhook was not asked"
ABSENT = "the injected container pypi-connector is absent: the webhook was not asked"
ATTACKS = [
    Attack("not injected", create(guards.asking_pod()), ABSENT),
    Attack("not injected for uploads", create(publishing()), ABSENT),
    Attack("opted out by another word", create(opted_out("no")), ABSENT),
    Attack("moved to the ordinary containers", create(among_ordinary_containers()), ABSENT),
    Attack(
        "restartPolicy dropped",
        create(without("restartPolicy", "lifecycle")),
        "another webhook dropped restartPolicy",
    ),
    Attack("volume of the driver", create(with_volume()), UNSERVED),
    Attack("volume that another webhook adds", create(with_volume(pod=guards.injected_pod("t"))), UNSERVED),
    Attack("volume beside one that is left to the driver", create(with_volume('{"x": "driver"}')), UNSERVED),
    Attack("volume that was served", create(with_volume('{"pip": {"connectors": "a/b"}}')), UNSERVED),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_a_pod_without_our_sidecar_is_refused(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_it_would_start(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


def test_with_the_start_gate_the_api_server_itself_refuses_a_dropped_restart_policy(
    kube: Kube, guarded: str
) -> None:
    """Before any policy is asked: only sidecars have hooks. Its sentence names the same cause."""
    sentence = create(without("restartPolicy"))(kube, guarded).stderr
    assert "lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always" in sentence


@pytest.mark.parametrize("namespace", ["kube-system", "pypi-connector-system"])
def test_the_refusal_says_where_nothing_is_injected(kube: Kube, namespace: str) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    kube.create(account, namespace=namespace, check=False)
    sentence = create(guards.asking_pod())(kube, namespace).stderr
    assert f"Pods of namespace {namespace} are not served; remove the annotation" in sentence
    guards.assert_passes(create(guards.plain_pod())(kube, namespace))


def harmless() -> dict[str, Any]:
    mirror = guards.asking_pod("static-node")
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "0"
    mirror["spec"]["nodeName"] = "guards-node"
    return {
        "injected": guards.injected_pod("ours"),
        "asks for nothing": guards.plain_pod("other"),
        "opted out": opted_out("false"),
        "mirror of a static Pod": mirror,
        "volume that is left to the driver": with_volume('{"pip": "driver"}', guards.plain_pod("left")),
        "volume of another driver": guards.plain_pod(
            "their", volumes=[{"name": "v", "csi": {"driver": "x.y"}}]
        ),
    }


@pytest.mark.parametrize("pod", harmless().values(), ids=list(harmless()))
def test_other_pods_start(kube: Kube, guarded: str, pod: Pod) -> None:
    guards.assert_passes(create(pod)(guards.as_person(kube, AUTHOR), guarded))


def test_the_guard_looks_at_the_pods_that_the_webhook_is_asked_about() -> None:
    """One that only one of them looks at would be refused for no reason, or start without its sidecar."""
    policy = next(yaml.safe_load_all((MANIFESTS / "policies" / "injected.yaml").read_text()))
    webhook = yaml.safe_load((MANIFESTS / "webhook" / "mutating.yaml").read_text())["webhooks"][0]
    assert policy["spec"]["matchConditions"] == webhook["matchConditions"]
