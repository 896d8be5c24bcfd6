"""Grants while the sidecar's image is changed: brokers of two releases, on ReplicaSets as a roll makes them.

The rights are those of the manifests. No controller acts on the ReplicaSets, so each moment of a roll stands
still.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.components.brokers import kubeconfig_of, running_broker
from support.kubernetes.grant_places import SETTINGS, Place, connector, injected, login
from support.kubernetes.kube import Kube
from support.kubernetes.replica_sets import replica_set
from webhook import names
from webhook.grant.sidecar_images import KEY

OLD, NEW, NEVER = "registry.example/sidecar:1", "registry.example/sidecar:2", "registry.example/evil:1"
NEWER = replace(SETTINGS, sidecar_image=NEW, allowed_images=(NEW,))
CONTAINER = {"name": "webhook", "image": "webhook"}
assert SETTINGS.sidecar_image == OLD


@pytest.fixture
def broker_account(cluster: Kube, tmp_path: Path) -> Path:
    return kubeconfig_of(cluster, tmp_path, names.NAMESPACE, names.BROKER)


@pytest.fixture
def forgotten(cluster: Kube) -> None:
    """As nothing was installed before."""
    cluster.delete("configmap", names.SIDECAR_IMAGES, names.NAMESPACE)
    for one in cluster.list("replicasets", names.NAMESPACE):
        cluster.delete("replicaset", one["metadata"]["name"], names.NAMESPACE)


@pytest.fixture
def team(cluster: Kube) -> Iterator[str]:
    with cluster.namespace(prefix="team") as namespace:
        yield namespace


@pytest.fixture
def old_place(
    forgotten: None, cluster: Kube, team: str, broker_account: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Place]:
    with running_broker(broker_account, SETTINGS) as old:
        yield Place(cluster, old, team, caplog)


@contextlib.contextmanager
def newer_place(
    cluster: Kube, team: str, broker_account: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Place]:
    with running_broker(broker_account, NEWER) as new:
        yield Place(cluster, new, team, caplog)


def roll(cluster: Kube, image: str, deployment: str, *, replicas: int = 1) -> None:
    """The ReplicaSet that the deployment controller makes for new settings."""
    made = replica_set(image, owner=deployment, wanted=replicas)
    [reference] = made["metadata"]["ownerReferences"]
    owner = {**reference, "apiVersion": "apps/v1", "uid": uid_of(cluster, deployment)}
    labels = {"app": deployment}
    [container, _] = made["spec"]["template"]["spec"]["containers"]
    env = [one for one in container["env"] if "value" in one]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{**CONTAINER, "env": env}]}}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": f"{deployment}-{image[-1]}", "ownerReferences": [owner]},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
    cluster.create(manifest, namespace=names.NAMESPACE)


def uid_of(cluster: Kube, deployment: str) -> str:
    """Made if need be: an owner that does not exist would have its ReplicaSets collected."""
    if cluster.find("deployment", deployment, names.NAMESPACE) is None:
        cluster.run("create", "deployment", deployment, "--image=webhook", "-n", names.NAMESPACE)
    return str(cluster.get("deployment", deployment, names.NAMESPACE)["metadata"]["uid"])


def pod_of(place: Place, image: str) -> None:
    pod: dict[str, Any] = injected(place.namespace)
    [ours] = [one for one in pod["spec"]["initContainers"] if one["name"] == names.SIDECAR]
    ours["image"] = image
    place.create(connector(), login())
    place.create_as_is(pod)


def recorded(cluster: Kube) -> set[str]:
    text = cluster.get("configmap", names.SIDECAR_IMAGES, names.NAMESPACE)["data"][KEY]
    return {line.partition(" ")[2] for line in text.splitlines()}


def test_an_old_broker_serves_the_pods_of_a_new_admission(cluster: Kube, old_place: Place) -> None:
    pod_of(old_place, NEW)
    token = old_place.bound_token()
    assert old_place.ask(token).json()["reason"] == "SidecarImage", "nobody is rolled yet"
    roll(cluster, NEW, names.ADMISSION)
    old_place.granted(token)
    assert recorded(cluster) == {OLD, NEW}


def test_a_new_broker_serves_the_pods_of_an_old_admission_and_those_that_run(
    cluster: Kube, old_place: Place, broker_account: Path
) -> None:
    pod_of(old_place, OLD)
    token = old_place.bound_token()
    old_place.granted(token)
    cluster.wait_for(lambda: recorded(cluster) == {OLD}, what="the record")
    with running_broker(broker_account, NEWER) as new:
        replace(old_place, broker=new).granted(token)
    assert recorded(cluster) == {OLD, NEW}


def test_the_first_release_with_a_record_serves_the_pods_of_the_last_without(
    cluster: Kube, forgotten: None, team: str, broker_account: Path, caplog: pytest.LogCaptureFixture
) -> None:
    roll(cluster, OLD, names.BROKER, replicas=0)
    with newer_place(cluster, team, broker_account, caplog) as place:
        pod_of(place, OLD)
        place.granted(place.bound_token())


def test_an_image_of_nobody_is_refused_by_either_and_is_not_recorded(cluster: Kube, old_place: Place) -> None:
    roll(cluster, NEW, names.ADMISSION)
    pod_of(old_place, NEVER)
    sentence = old_place.refused(
        old_place.bound_token(),
        403,
        "SidecarImage",
        uid=cluster.get("pod", "job", old_place.namespace)["metadata"]["uid"],
    )
    assert "create the Pod anew" in sentence
    assert NEVER not in recorded(cluster)


def test_an_image_that_an_administrator_takes_back_gets_no_grant_any_more(
    cluster: Kube, forgotten: None, team: str, broker_account: Path, caplog: pytest.LogCaptureFixture
) -> None:
    roll(cluster, OLD, names.BROKER, replicas=0)
    with newer_place(cluster, team, broker_account, caplog) as place:
        pod_of(place, OLD)
        token = place.bound_token()
        place.granted(token)
        line = f"2026-12-01T12:00:00Z {NEW}\n"
        cluster.patch("configmap", names.SIDECAR_IMAGES, {"data": {KEY: line}}, names.NAMESPACE)
        cluster.wait_for(lambda: "reason" in place.ask(token).json(), what="the next look", seconds=40)
        assert place.ask(token).json()["reason"] == "SidecarImage"
        assert recorded(cluster) == {NEW}


@pytest.mark.parametrize("text", ["{", "x" * 100_000])
def test_a_record_that_somebody_broke_ends_nothing(cluster: Kube, old_place: Place, text: str) -> None:
    cluster.wait_for(lambda: recorded(cluster) == {OLD}, what="the record")
    cluster.patch("configmap", names.SIDECAR_IMAGES, {"data": {KEY: text}}, names.NAMESPACE)
    pod_of(old_place, NEW)
    roll(cluster, NEW, names.ADMISSION)
    old_place.granted(old_place.bound_token())
    assert recorded(cluster) == {OLD, NEW}


def test_no_account_but_an_administrators_adds_an_image(cluster: Kube, namespace_of_eve: str) -> None:
    """Every verb on Pods and Connectors in one namespace, and the ClusterRole `edit` there."""
    for account in (names.ADMISSION, "default"):
        somebody = cluster.as_service_account(names.NAMESPACE, account)
        assert not somebody.can_i("update", "configmaps", names.NAMESPACE, name=names.SIDECAR_IMAGES)
        assert not somebody.can_i("create", "configmaps", names.NAMESPACE)
        assert not somebody.can_i("create", "replicasets.apps", names.NAMESPACE)
    eve = cluster.as_user("eve", "system:authenticated")
    for verb, kind in (("update", "configmaps"), ("create", "configmaps"), ("create", "replicasets.apps")):
        assert eve.can_i(verb, kind, namespace_of_eve), "a control"
        assert not eve.can_i(verb, kind, names.NAMESPACE)


@pytest.fixture
def namespace_of_eve(cluster: Kube) -> Iterator[str]:
    with cluster.namespace(prefix="team") as namespace:
        cluster.run("create", "rolebinding", "eve", "-n", namespace, "--clusterrole=edit", "--user=eve")
        yield namespace
