"""Eve tries to remove the Connector, so that a Pod of hers can print its Secret."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from support.kubernetes import eve
from support.kubernetes.guarded_connectors import ABSENT_OWNER, FULL, SECRET, config_map, connector
from support.kubernetes.kube import Kube
from support.scenarios import attacks, scenes
from webhook import names

BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
BELONGS = f"Secret {SECRET} belongs to Connector corp and cannot be used by a Pod"
VARIABLE = {"name": "A", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "password"}}}


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace with a Secret that a Connector names, and Eve."""

    kube: Kube
    namespace: str
    password: str

    @property
    def eve(self) -> Kube:
        return self.kube.as_service_account(self.namespace, eve.NAME)

    def patch(self, change: object) -> None:
        self.eve.patch("connector", "corp", change, self.namespace, check=False)

    @property
    def is_lifted(self) -> bool:
        found = self.kube.find("connector", "corp", self.namespace)
        return found is None or "auth" not in found["spec"]

    def spoils(self) -> str:
        """What her Pod prints, or the sentence that refuses it."""
        pod = attacks.edited(attacks.idle_pod("thief", script='echo "$A"'), {"env": [VARIABLE]})
        made = self.eve.create(pod, namespace=self.namespace, check=False)
        if made.returncode != 0:
            return made.stderr
        scenes.wait_for_phase(self.eve, self.namespace, "thief", "Succeeded")
        return self.eve.logs("thief", self.namespace)


@pytest.fixture
def target(installed: Kube) -> Iterator[Target]:
    """Once guard 7 holds: on a new cluster that takes half a minute."""
    with installed.namespace(labels=BASELINE, prefix="removal") as namespace:
        eve.arrive(installed, namespace)
        password = scenes.new_password()
        secret = scenes.basic_auth(SECRET, password)
        installed.create(secret, namespace=namespace)
        installed.apply(connector(FULL), namespace=namespace, server_side=True)
        pod = attacks.edited(attacks.idle_pod("probe"), {"env": [VARIABLE]})
        dry_run = ("create", "-n", namespace, "--dry-run=server", "-f", "-")
        installed.wait_for(
            lambda: installed.run(*dry_run, stdin=attacks.text(pod), check=False).returncode != 0,
            what="guard 7 to hold",
        )
        yield Target(installed, namespace, password)


def delete(target: Target) -> None:
    target.eve.run("delete", "connector", "corp", "-n", target.namespace, check=False)


def take_the_name_out(target: Target) -> None:
    target.patch({"spec": {"auth": None}})


def take_the_name_out_by_status(target: Target) -> None:
    change = {"spec": {"auth": None}, "metadata": {"ownerReferences": [ABSENT_OWNER]}}
    target.eve.patch("connector", "corp", change, target.namespace, subresource="status", check=False)


def apply_without_the_name(target: Target) -> None:
    """In the name of the tool that applied it."""
    bare = connector({key: value for key, value in FULL.items() if key != "auth"})
    target.eve.apply(bare, namespace=target.namespace, server_side=True, check=False)


def delete_them_all(target: Target) -> None:
    uri = f"/apis/{names.API_VERSION}/namespaces/{target.namespace}/connectors"
    target.eve.run("delete", "--raw", uri, check=False)


REMOVALS = (delete, take_the_name_out, take_the_name_out_by_status, apply_without_the_name, delete_them_all)


@pytest.mark.parametrize("remove", REMOVALS)
def test_nobody_removes_the_connector_to_have_its_secret_printed(
    target: Target, remove: Callable[[Target], None]
) -> None:
    remove(target)
    said = target.spoils()
    assert target.password not in said
    assert BELONGS in said


def give_it_an_absent_owner(target: Target) -> None:
    target.patch({"metadata": {"ownerReferences": [ABSENT_OWNER]}})


def give_it_her_pod_as_owner(target: Target) -> None:
    target.eve.create(attacks.idle_pod("owner"), namespace=target.namespace)
    uid = target.eve.get("pod", "owner", target.namespace)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "owner", "uid": uid}
    target.patch({"metadata": {"ownerReferences": [owner]}})
    target.eve.delete("pod", "owner", target.namespace, now=True)


@pytest.mark.parametrize("remove", [give_it_an_absent_owner, give_it_her_pod_as_owner])
def test_the_garbage_collector_does_not_remove_it_for_her(
    target: Target, remove: Callable[[Target], None]
) -> None:
    remove(target)
    found = target.kube.find("connector", "corp", target.namespace)
    if found is None or "ownerReferences" in found["metadata"]:
        # the collector knows a new kind after half a minute
        target.kube.wait_for(lambda: target.is_lifted, what="the garbage collector")
    said = target.spoils()
    assert target.password not in said
    assert BELONGS in said


def test_what_an_administrator_removes_is_printed_and_they_are_warned(target: Target) -> None:
    """So nothing else stood in her way above. A window that stays: docs/threat-model.md."""
    result = target.kube.run("delete", "connector", "corp", "-n", target.namespace)
    assert f"any Pod of namespace {target.namespace} can use Secret {SECRET} from now on" in result.stderr
    assert target.password in target.spoils()


def test_a_pod_from_before_the_connector_waits_for_its_secret(installed: Kube) -> None:
    """A window that stays: no guard knows then which Secret it will be."""
    with installed.namespace(labels=BASELINE, prefix="waiting") as namespace:
        eve.arrive(installed, namespace)
        target = Target(installed, namespace, scenes.new_password())
        pod = attacks.edited(attacks.idle_pod("thief", script='echo "$A"'), {"env": [VARIABLE]})
        target.eve.create(pod, namespace=namespace)
        installed.create(connector(FULL), namespace=namespace)
        installed.create(scenes.basic_auth(SECRET, target.password), namespace=namespace)
        scenes.wait_for_phase(installed, namespace, "thief", "Succeeded")
        assert target.password in installed.logs("thief", namespace)


def test_the_product_and_the_controllers_write_on(target: Target) -> None:
    """The broker writes statuses; collector and namespace controller delete with rights of their own."""
    kube, namespace = target.kube, target.namespace

    def is_looked_at() -> bool:
        status = kube.get("connector", "corp", namespace).get("status", {})
        return any(one["type"] == "SecretReady" for one in status.get("conditions", []))

    kube.wait_for(is_looked_at, what="the broker to write the status")
    kube.create(config_map("owner"), namespace=namespace)
    uid = kube.get("configmap", "owner", namespace)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    kube.patch("connector", "corp", {"metadata": {"ownerReferences": [owner]}}, namespace)
    kube.delete("configmap", "owner", namespace)
    kube.wait_for(lambda: target.is_lifted, what="the garbage collector")
    kube.create(connector(FULL), namespace=namespace)
    kube.run("delete", "namespace", namespace, "--wait=false")
    kube.wait_for(lambda: kube.find("namespace", namespace) is None, what="the namespace to be gone")
