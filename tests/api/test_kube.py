"""The kubectl of the tests reports refusals, users and namespaces correctly."""

import pytest

from support.kubernetes.kube import Kube, KubectlFailed

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"}}


def test_a_failure_shows_what_kubectl_said(kube: Kube, namespace: str) -> None:
    with pytest.raises(KubectlFailed, match='configmaps "absent" not found'):
        kube.get("configmap", "absent", namespace)


def test_objects_go_in_and_come_out_as_dicts(kube: Kube, namespace: str) -> None:
    kube.create(CONFIG, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n", namespace=namespace)
    assert kube.get("configmap", "a", namespace)["data"] == {"key": "value"}
    names = {item["metadata"]["name"] for item in kube.list("configmaps", namespace)}
    assert {"a", "b"} <= names
    assert kube.find("configmap", "c", namespace) is None


def test_what_is_accepted_is_not_called_refused(kube: Kube, namespace: str) -> None:
    with pytest.raises(AssertionError, match="must be refused, was accepted"):
        kube.refused(CONFIG, namespace=namespace)


def test_another_user_has_no_rights_but_those_given(kube: Kube, namespace: str) -> None:
    eve = kube.as_user("eve", "system:authenticated")
    assert "cannot create resource" in eve.refused(CONFIG, namespace=namespace)
    assert not eve.can_i("get", "secrets", namespace)
    assert kube.can_i("get", "secrets", namespace)


def test_a_pod_can_be_created_in_a_fresh_namespace_at_once(kube: Kube, namespace: str) -> None:
    container = {"name": "main", "image": "example.test/never-pulled"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    kube.create(pod, namespace=namespace)
    assert kube.get("pod", "p", namespace)["spec"]["serviceAccountName"] == "default"


def test_waiting_ends_with_what_was_last_seen(kube: Kube, namespace: str) -> None:
    with pytest.raises(AssertionError, match=r"waited 0 s for a ConfigMap; last seen: (?s:.*)not found"):
        kube.wait_for(lambda: kube.get("configmap", "a", namespace), seconds=0, what="a ConfigMap")
