"""Guard 5: a user who may not read the Secret cannot lift guard 7, directly or through others.

Each attack is real, and made twice: where the guards hold, the Connector is there afterwards and names its
Secret; where guard 5 is lifted, it does not. The garbage collector is the controller manager's own.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.kubernetes import eve, guards
from support.kubernetes.guarded_connectors import (
    ABSENT_OWNER,
    BARE,
    FINALIZER,
    SECRET,
    WITH_CA,
    connector,
    names_its_secret,
)
from support.kubernetes.guards import Result
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-secret-access"
API = "/apis/connectors.alauda.io/v1alpha1"


def prepare(kube: Kube, namespace: str) -> None:
    eve.arrive(kube, namespace)


def manifest(name: str, spec: dict[str, Any], **metadata: Any) -> str:
    return json.dumps(connector(spec, name, labels={"name": name}, **metadata))


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, and a Connector in it."""

    kube: Kube
    namespace: str
    name: str

    @property
    def eve(self) -> Kube:
        return self.kube.as_service_account(self.namespace, eve.NAME)

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """As an administrator, or another who may."""
        return self.kube.run("-n", self.namespace, *arguments, stdin=stdin, check=False)

    def as_eve(self, *arguments: str, stdin: str | None = None) -> Result:
        return self.eve.run("-n", self.namespace, *arguments, stdin=stdin, check=False)

    def patch(self, change: object) -> Result:
        return self.as_eve("patch", "connector", self.name, "--type=merge", "-p", json.dumps(change))

    @property
    def is_guarded(self) -> bool:
        return names_its_secret(self.kube, self.namespace, self.name)


Step = Callable[[Place], Result]


def nothing(place: Place) -> Result:
    return place.run("get", "namespace", place.namespace)


@dataclass(frozen=True, slots=True)
class Removal:
    """What Eve does, and what somebody else does after her without knowing of her."""

    name: str
    step: Step
    deputy: Step = nothing
    metadata: tuple[tuple[str, Any], ...] = ()
    """Of the Connector before"""
    before: Step = nothing


def delete(*options: str) -> Step:
    return lambda place: place.as_eve("delete", "connector", place.name, "--wait=false", *options)


def patch(change: object) -> Step:
    return lambda place: place.patch(change)


def spec(**change: Any) -> Step:
    return patch({"spec": change})


def delete_collection(place: Place) -> Result:
    uri = f"{API}/namespaces/{place.namespace}/connectors?labelSelector=name%3D{place.name}"
    return place.as_eve("delete", "--raw", uri)


def replace(place: Place) -> Result:
    return place.as_eve("replace", "--force", "-f", "-", stdin=manifest(place.name, BARE))


def apply_less(place: Place) -> Result:
    """In the name of the tool that applied it."""
    return place.as_eve("apply", "--server-side", "-f", "-", stdin=manifest(place.name, BARE))


def own_by_her_pod(place: Place) -> Result:
    place.eve.create(guards.plain_pod(place.name), namespace=place.namespace)
    uid = place.kube.get("pod", place.name, place.namespace)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": place.name, "uid": uid}
    return place.patch({"metadata": {"ownerReferences": [owner]}})


def delete_her_pod(place: Place) -> Result:
    return place.as_eve("delete", "pod", place.name, "--force", "--grace-period=0")


def prune(place: Place) -> Result:
    """Whatever has the label and is not among these."""
    kept = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kept", "labels": {"app": place.name}},
    }
    allowed = "--prune-allowlist=connectors.alauda.io/v1alpha1/Connector"
    return place.run(
        "apply", "--prune", "-l", f"app={place.name}", allowed, "-f", "-", stdin=json.dumps(kept)
    )


def say_it_was_applied(place: Place) -> Result:
    """kubectl takes away what this annotation has and the manifest has not."""
    applied = manifest(place.name, WITH_CA)
    return place.patch(
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}}
    )


def apply_bare(place: Place) -> Result:
    return place.run("apply", "-f", "-", stdin=manifest(place.name, BARE))


def apply_in_parts(place: Place) -> Result:
    """Two tools share the Connector: one for the address, one for the Secret."""
    place.run("delete", "connector", place.name)
    auth = {key: value for key, value in WITH_CA.items() if key not in BARE}
    server_side = ("apply", "--server-side", "-f", "-", "--field-manager")
    place.run(*server_side, "address", stdin=manifest(place.name, BARE))
    return place.run(*server_side, "auth", stdin=manifest(place.name, auth))


def exchange_owners(place: Place) -> Result:
    """No value changes: the Secret's name becomes that of the tool that does not know it."""
    server_side = ("apply", "--server-side", "-f", "-", "--field-manager")
    shared = place.as_eve(*server_side, "address", stdin=manifest(place.name, WITH_CA))
    place.as_eve(*server_side, "auth", stdin=manifest(place.name, {}))
    return shared


def apply_the_address(place: Place) -> Result:
    server_side = ("apply", "--server-side", "-f", "-", "--field-manager")
    return place.run(*server_side, "address", stdin=manifest(place.name, BARE))


no_finalizer = patch({"metadata": {"finalizers": None}})


def begin_to_delete(place: Place) -> Result:
    return place.run("delete", "connector", place.name, "--wait=false")


REMOVALS = [
    Removal("delete", delete()),
    Removal("delete in the foreground", delete("--cascade=foreground")),
    Removal("delete and leave orphans", delete("--cascade=orphan")),
    Removal("delete by force", delete("--force", "--grace-period=0")),
    Removal("delete a collection", delete_collection),
    Removal("replace by force", replace),
    Removal("no authentication", spec(auth=None, caCertSecretRef=None)),
    Removal("no reference", spec(auth={"secretRef": None}, caCertSecretRef=None)),
    Removal("no spec", patch({"spec": None})),
    Removal("another Secret", spec(auth={"secretRef": {"name": "other"}})),
    Removal("apply without it", apply_less),
    Removal("last finalizer", no_finalizer, metadata=(("finalizers", [FINALIZER]),), before=begin_to_delete),
    Removal("absent owner", patch({"metadata": {"ownerReferences": [ABSENT_OWNER]}})),
    Removal("owner that she deletes", own_by_her_pod, delete_her_pod),
    Removal(
        "label that prunes",
        lambda place: place.as_eve("label", "connector", place.name, f"app={place.name}"),
        prune,
        metadata=(("annotations", {"kubectl.kubernetes.io/last-applied-configuration": "{}"}),),
    ),
    Removal("annotation that applies", say_it_was_applied, apply_bare),
    Removal("owners of fields", exchange_owners, apply_the_address, before=apply_in_parts),
]  # fmt: skip


def title(removal: Removal) -> str:
    return removal.name.replace(" ", "-")


@pytest.fixture
def name() -> str:
    return f"c-{secrets.token_hex(4)}"


def prepared(removal: Removal, place: Place) -> Place:
    place.kube.apply(
        manifest(place.name, WITH_CA, **dict(removal.metadata)), namespace=place.namespace, server_side=True
    )
    removal.before(place)
    assert place.is_guarded
    return place


@pytest.mark.parametrize("removal", REMOVALS, ids=title)
def test_nobody_takes_a_name_away_who_may_not_read_the_secret(
    kube: Kube, guarded: str, name: str, removal: Removal
) -> None:
    place = prepared(removal, Place(kube, guarded, name))
    result = removal.step(place)
    assert guards.is_refused_by(GUARD, result), result
    assert f"and system:serviceaccount:{guarded}:eve is not: ask for the verb get on Secret " in result.stderr
    assert SECRET in result.stderr.partition("get on Secret ")[2].partition(" in namespace")[0].split(", ")
    removal.deputy(place)
    assert place.is_guarded


@pytest.mark.parametrize("removal", REMOVALS, ids=title)
def test_without_the_guard_eve_would(kube: Kube, unguarded: str, name: str, removal: Removal) -> None:
    place = prepared(removal, Place(kube, unguarded, name))
    look = guards.kubectl("delete", "connector", name, "--dry-run=server")
    guards.until(place.eve, look, unguarded, lambda result: result.returncode == 0)
    assert not guards.is_refused_by(GUARD, removal.step(place))
    removal.deputy(place)
    # the garbage collector knows a new kind after half a minute
    kube.wait_for(lambda: not place.is_guarded, what="the Connector to be gone")
