"""Guards 5 and 7: Eve's preparations before a Connector names a Secret, and the facts that guard 7 uses."""

import json
import secrets
import time
from typing import Any

import pytest

from support.kubernetes import eve, guards
from support.kubernetes.guarded_connectors import BARE, FINALIZER, FULL, connector, create_owner
from support.kubernetes.guards import Result
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-secret-access"


@pytest.fixture(autouse=True)
def _installed(guarded: str) -> None:
    """The guards hold."""


def prepare(kube: Kube, namespace: str) -> None:
    """Nothing: each test has a namespace of its own."""


@pytest.fixture
def thief(kube: Kube, namespace: str) -> Kube:
    return eve.arrive(kube, namespace)


def apply(kube: Kube, namespace: str, manifest: dict[str, Any], *options: str) -> Result:
    return kube.run("apply", "-n", namespace, *options, "-f", "-", stdin=json.dumps(manifest), check=False)


# -- what Eve prepares, before an administrator names a Secret


def test_no_secret_is_given_to_a_connector_with_an_older_owner(
    kube: Kube, thief: Kube, namespace: str
) -> None:
    reference = create_owner(kube, namespace, "hers")
    thief.create(connector(BARE, ownerReferences=[reference]), namespace=namespace)
    result = apply(kube, namespace, connector(FULL))
    assert guards.is_refused_by(GUARD, result), result
    assert "has an owner from before it named a Secret (ConfigMap hers)" in result.stderr
    assert apply(kube, namespace, connector(FULL, ownerReferences=[])).returncode == 0
    another = create_owner(kube, namespace, "mine")
    assert apply(kube, namespace, connector(FULL, ownerReferences=[another])).returncode == 0


def test_no_secret_is_given_to_a_connector_that_is_being_deleted(
    kube: Kube, thief: Kube, namespace: str
) -> None:
    """The collector would take the finalizer of a deletion in the foreground away, whenever Eve wants."""
    thief.create(connector(BARE, finalizers=[FINALIZER]), namespace=namespace)
    thief.run("delete", "connector", "corp", "-n", namespace, "--wait=false")
    result = apply(kube, namespace, connector(FULL))
    assert guards.is_refused_by(GUARD, result), result
    assert (
        "Connector corp is being deleted, and the guard that keeps Pods from using Secret corp would"
        in result.stderr
    )


def test_a_secret_for_a_connector_that_was_there_before_is_warned_of(
    kube: Kube, thief: Kube, namespace: str
) -> None:
    """Where its packages would be uploaded to is Eve's word still."""
    hers = {"addressExtensions": [{"name": "upload", "value": "https://collector.example"}]}
    thief.create(connector({**BARE, **hers}), namespace=namespace)
    result = apply(kube, namespace, connector(FULL))
    assert (
        "Connector corp was there before it named a Secret, and what your manifest does not set is"
        in result.stderr
    )
    assert "look at addressExtensions, params, labels and annotations" in result.stderr
    again = apply(kube, namespace, connector({**FULL, "address": "https://two.example"}))
    assert "was there before" not in again.stderr


# -- what the guards go by


def test_a_status_carries_nothing_else_along(kube: Kube, thief: Kube, namespace: str) -> None:
    kube.create(connector(FULL), namespace=namespace)
    before = kube.get("connector", "corp", namespace)
    fields = {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:auth": {}}}}
    forged = [{"manager": "flux", "operation": "Apply", "apiVersion": before["apiVersion"], **fields}]
    metadata = {
        "labels": {"a": "b"},
        "finalizers": ["a.example/b"],
        "ownerReferences": [create_owner(kube, namespace, "owner")],
        "managedFields": forged,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
    }
    change = {"metadata": metadata, "spec": {"auth": None}, "status": {"observedGeneration": 7}}
    thief.patch("connector", "corp", change, namespace, subresource="status", check=False)
    after = kube.get("connector", "corp", namespace)
    changed = {key for key in after["metadata"] if after["metadata"][key] != before["metadata"].get(key)}
    assert changed <= {"resourceVersion"}
    assert after["spec"] == before["spec"]


def test_no_update_ends_a_connector(kube: Kube, namespace: str) -> None:
    kube.create(connector(FULL, finalizers=[FINALIZER]), namespace=namespace)
    ended = {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}}
    kube.patch("connector", "corp", ended, namespace, check=False)
    assert "deletionTimestamp" not in kube.get("connector", "corp", namespace)["metadata"]
    kube.patch("connector", "corp", {"metadata": {"finalizers": None}}, namespace)
    assert kube.find("connector", "corp", namespace) is not None


def test_a_new_connector_is_guarded_within_seconds(kube: Kube, thief: Kube, namespace: str) -> None:
    """So far is the API server's own cache behind: 5 ms as a rule, 0.3 s at most of 40 on an idle machine."""
    pod = guards.plain_pod("thief", volumes=[{"name": "v", "secret": {"secretName": "corp"}}])
    guards.until(kube, guards.create(pod), namespace, lambda result: result.returncode == 0)
    kube.create(connector(FULL), namespace=namespace)
    begin = time.monotonic()
    guards.until(
        thief, guards.create(pod), namespace, lambda result: "cannot be used by a Pod" in result.stderr
    )
    assert time.monotonic() - begin < 35


@pytest.mark.parametrize("labels", [{}, {secrets.token_hex(4): "x"}])
def test_guard_7_goes_by_no_label(kube: Kube, thief: Kube, namespace: str, labels: dict[str, str]) -> None:
    kube.create(connector(FULL, labels=labels), namespace=namespace)
    pod = guards.plain_pod("thief", volumes=[{"name": "v", "secret": {"secretName": "corp"}}])
    guards.until(
        thief, guards.create(pod), namespace, lambda result: "cannot be used by a Pod" in result.stderr
    )
