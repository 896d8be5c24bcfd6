"""Connectors for the tests of guard 5: with and without a Secret, and objects that own them."""

from typing import Any

from support.kubernetes.kube import Kube

SECRET = "corp"
FINALIZER = "team.example/last"
BARE = {"connectorClassName": "pypi", "address": "https://pypi.example"}
FULL = {**BARE, "auth": {"name": "basicAuth", "secretRef": {"name": SECRET}}}
WITH_CA = {**FULL, "caCertSecretRef": {"name": "corp-ca"}}

ABSENT_OWNER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "absent",
    "uid": "0a0a0a0a-0000-4000-8000-0a0a0a0a0a0a",
}


def connector(spec: dict[str, Any], name: str = "corp", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def create_owner(kube: Kube, namespace: str, name: str) -> dict[str, Any]:
    """The reference to a new ConfigMap."""
    kube.create(config_map(name), namespace=namespace)
    uid = kube.get("configmap", name, namespace)["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}


def names_its_secret(kube: Kube, namespace: str, name: str) -> bool:
    """Whether a Connector names its Secret, which guard 7 needs."""
    spec = (kube.find("connector", name, namespace) or {}).get("spec", {})
    return bool(spec.get("auth", {}).get("secretRef", {}).get("name") == SECRET)


def wait_until_gone(kube: Kube, namespace: str, name: str = "corp") -> None:
    """Wait for the garbage collector, which learns of a new kind only after half a minute."""
    kube.wait_for(
        lambda: kube.find("connector", name, namespace) is None, what=f"Connector {name} to be gone"
    )
