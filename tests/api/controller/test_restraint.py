"""The controller asks registries, and writes to the real API server, no more than it must."""

import time
from pathlib import Path

from support.components.controllers import Replica
from support.kubernetes.connector_places import FAST, Place
from support.servers.registry import Registry
from webhook import names


def test_a_wrong_password_is_never_hammered(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login("canary-wrong")
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=0.1):
        assert place.wait_said("AuthReady", "False", "AuthenticationFailed") == "status code 401"
        assert place.said("LivenessReady")[0] == "True"
        version = place.get()["status"]["observedSecretVersion"]
        # another version of the Secret, with the same password
        place.kube.run("label", "secret", "login", "-n", place.namespace, "touched=yes")
        place.kube.wait_for(lambda: place.get()["status"]["observedSecretVersion"] != version)
        assert len(registry.requests) == 1
    with Replica(kubeconfig, "restarted", period_seconds=0.1) as restarted:
        place.kube.wait_for(lambda: restarted.is_leading)
        place.kube.run("label", "secret", "login", "-n", place.namespace, "touched=again", "--overwrite")
        time.sleep(1)  # ten looks
        assert len(registry.requests) <= 2
        place.login()
        place.wait_ready()
        assert len(registry.requests) <= 3


def test_connectors_that_share_an_account_do_not_lock_it(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login("canary-wrong")
    for number in range(10):
        place.connector(registry.origin, f"c-{number}")
    with Replica(kubeconfig, "one", period_seconds=0.1):
        for number in range(10):
            place.wait_said("AuthReady", "False", "AuthenticationFailed", f"c-{number}")
        assert len(registry.requests) == 1


def test_of_two_replicas_one_leads_and_the_other_takes_over_without_asking_again(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=FAST) as one:
        place.kube.wait_for(lambda: one.is_leading)
        with Replica(kubeconfig, "two", period_seconds=FAST) as two:
            place.wait_ready()
            assert (one.is_leading, two.is_leading) == (True, False)
            one.stop()
            place.kube.wait_for(lambda: two.is_leading)
            lease = place.kube.get("lease", names.CONTROLLER_LEASE, names.NAMESPACE)
            assert lease["spec"]["holderIdentity"] == "two"
            assert lease["spec"]["leaseTransitions"] >= 1
            # it works: a changed Secret is seen, and what is well was not asked about twice
            assert len(registry.requests) == 1
            place.login("canary-wrong")
            place.wait_said("AuthReady", "False", "AuthenticationFailed")
            assert len(registry.requests) == 2
    assert place.kube.get("lease", names.CONTROLLER_LEASE, names.NAMESPACE)["spec"]["holderIdentity"] == ""


def test_conditions_of_others_and_times_are_kept(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login()
    place.connector(registry.origin)
    foreign = {
        "type": "Mirrored",
        "status": "True",
        "reason": "Done",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    with Replica(kubeconfig, "one", period_seconds=FAST):
        place.wait_ready()
        before = place.get()["status"]["conditions"]
        added = [{"op": "add", "path": "/status/conditions/0", "value": foreign}]
        place.kube.patch(
            "connector", "pypi", added, place.namespace, kind_of_patch="json", subresource="status"
        )
        time.sleep(1.1)  # a second later, times would differ
        place.login("canary-wrong")
        place.wait_said("Ready", "False", "AuthenticationFailed")
    after = place.get()["status"]["conditions"]
    assert after[0] == foreign
    times = {one["type"]: one["lastTransitionTime"] for one in after}
    changed = {one["type"] for one in before if times[one["type"]] != one["lastTransitionTime"]}
    assert changed == {"AuthReady", "Ready"}


def test_a_status_that_is_true_is_not_written_again(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=0.1):
        place.wait_ready()
        before = place.get()["metadata"]["resourceVersion"]
        time.sleep(1)  # ten looks
        assert place.get()["metadata"]["resourceVersion"] == before
        assert len(registry.requests) == 1


def test_a_deleted_connector_is_forgotten_and_a_new_one_of_its_name_is_asked_about(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=FAST) as one:
        place.wait_ready()
        place.kube.delete("connector", "pypi", place.namespace)
        place.kube.wait_for(lambda: (place.namespace, "pypi") not in one.controller._tracked)
        place.connector(registry.origin)
        place.wait_ready()
        assert len(registry.requests) == 2
