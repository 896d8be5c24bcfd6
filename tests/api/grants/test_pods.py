"""Grants by Pod: by its token and the real TokenReview, its life and its sidecar."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from sidecar.contract.secret import Secret
from support.kubernetes.grant_places import CANARY, Place, connector, injected, login
from webhook import names

# -- the token


def test_a_pods_own_token_is_granted_the_credential(place: Place) -> None:
    place.create(connector(), login())
    uid = place.create_pod()
    found = place.granted(place.bound_token())
    assert found.credential == ("reader", Secret(CANARY))
    assert found.upload_url == "https://registry.example/"
    event = place.event(uid, "Granted")
    assert (event["type"], event["count"]) == ("Normal", 1)
    assert event["message"] == f"Connector {place.key}: install and upload"


def test_a_token_for_another_audience_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    token = place.bound_token(audience="https://kubernetes.default.svc.cluster.local")
    sentence = place.refused(token, 401, "TokenNotAuthenticated", uid=None, is_reviewed=False)
    assert "audience" in sentence


def test_an_expired_token_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    token = expired(place.bound_token(), place.kube.kubeconfig.parent / "pki" / "sa.key")
    assert "expired" in place.refused(token, 401, "TokenNotAuthenticated", uid=None, is_reviewed=False)


def test_a_token_that_somebody_else_signed_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    head, claims, signature = place.bound_token().split(".")
    forged = f"{head}.{claims}.{signature[:8][::-1]}{signature[8:]}"
    place.refused(forged, 401, "TokenNotAuthenticated", uid=None)


def test_a_token_that_is_bound_to_no_pod_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    place.refused(place.token(), 403, "TokenNotPodBound", uid=None, is_reviewed=False)


def expired(token: str, key: Path) -> str:
    """The same token as the API server would have signed it two hours ago: it issues none that are shorter
    than ten minutes."""
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    claims |= {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    head = jwt.get_unverified_header(token)
    return jwt.encode(claims, key.read_bytes(), algorithm=head["alg"], headers={"kid": head["kid"]})


# -- the Pod


def test_a_deleted_pod_is_refused_though_its_token_is_still_reviewed_as_valid(place: Place) -> None:
    """The API server remembers a review for ten seconds: the broker looks at the Pod itself."""
    place.create(connector(), login())
    uid = place.create_pod()
    token = place.bound_token()
    place.granted(token)
    place.kube.delete("pod", "job", place.namespace, now=True)
    place.refused(token, 403, "PodNotFound", uid=uid)
    place.kube.wait_for(
        lambda: place.ask(token).json()["reason"] == "TokenNotAuthenticated",
        what="the review to be forgotten",
    )
    assert "invalidated" in place.refused(token, 401, "TokenNotAuthenticated", uid=None)


def test_a_pod_of_the_same_name_is_another_pod(place: Place) -> None:
    place.create(connector(), login())
    uid = place.create_pod()
    token = place.bound_token()
    place.granted(token)
    place.kube.delete("pod", "job", place.namespace, now=True)
    place.create_pod()
    place.refused(token, 403, "PodRecreated", uid=uid)
    place.granted(place.bound_token())


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_is_refused_as_long_as_it_exists(place: Place, phase: str) -> None:
    place.create(connector(), login())
    uid = place.create_pod()
    token = place.bound_token()
    place.granted(token)
    place.kube.patch("pod", "job", {"status": {"phase": phase}}, place.namespace, subresource="status")
    assert phase in place.refused(token, 403, "PodFinished", uid=uid)


def test_a_terminating_pod_keeps_its_grant(place: Place) -> None:
    place.create(connector(), login())
    pod = injected(place.namespace)
    pod["metadata"]["finalizers"] = ["example.test/kept"]
    place.create_as_is(pod)
    token = place.bound_token()
    place.kube.run("delete", "pod", "job", "-n", place.namespace, "--wait=false")
    place.granted(token)
    place.kube.patch("pod", "job", {"metadata": {"finalizers": None}}, place.namespace)


def test_a_pod_that_does_not_name_the_connector_is_refused(place: Place) -> None:
    place.create(connector(), login())
    pod = injected(place.namespace)
    del pod["metadata"]["annotations"][names.CONNECTOR]
    uid = place.create_as_is(pod)
    place.refused(place.bound_token(), 403, "ConnectorNotNamed", uid=uid)


def drop_the_sidecar(pod: dict[str, Any]) -> None:
    del pod["spec"]["initContainers"]


def swap_the_image(pod: dict[str, Any]) -> None:
    pod["spec"]["initContainers"][0]["image"] = "registry.example/evil:1"


def hook_a_command(pod: dict[str, Any]) -> None:
    pod["spec"]["initContainers"][0]["lifecycle"]["postStart"]["exec"]["command"] = ["sh", "-c", "cat token"]


def preload_a_library(pod: dict[str, Any]) -> None:
    pod["spec"]["initContainers"][0]["env"].append({"name": "LD_PRELOAD", "value": "/evil.so"})


def share_the_token(pod: dict[str, Any]) -> None:
    mount = {"name": names.TOKEN_VOLUME, "mountPath": "/token"}
    pod["spec"]["containers"][0]["volumeMounts"].append(mount)


def project_a_second_token(pod: dict[str, Any]) -> None:
    source = {"serviceAccountToken": {"audience": "pypi-connector", "path": "token"}}
    pod["spec"]["volumes"].append({"name": "mine", "projected": {"sources": [source]}})


def share_the_processes(pod: dict[str, Any]) -> None:
    pod["spec"]["shareProcessNamespace"] = True


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (drop_the_sidecar, "SidecarAbsent"),
        (swap_the_image, "SidecarImage"),
        (hook_a_command, "SidecarLifecycle"),
        (preload_a_library, "SidecarVariableForbidden"),
        (share_the_token, "TokenMountedElsewhere"),
        (project_a_second_token, "TokenProjectedElsewhere"),
        (share_the_processes, "ShareProcessNamespace"),
    ],
)
def test_a_forged_sidecar_is_refused(place: Place, edit: Any, reason: str) -> None:
    place.create(connector(), login())
    pod = injected(place.namespace)
    edit(pod)
    uid = place.create_as_is(pod)
    place.refused(place.bound_token(), 403, reason, uid=uid)
