"""Grants by the real TokenReview and SubjectAccessReview: each refusal's own reason, Event and audit line.

The API server is one of this module's own: elsewhere the guards are installed, and they let nobody but the
kubelet mint a token for the broker. The Pods never run, and their tokens are bound to them all the same.
"""

import base64
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clusters
import httpx
import jwt
import pytest
from brokers import Broker, install, kubeconfig_of, running_broker
from kube import Kube

from certs.authority import create_authority
from sidecar.contract import Grant, Secret
from webhook import names
from webhook.connectors import parse_connector
from webhook.decide import decide
from webhook.settings import Settings

CANARY = "canary-51c2-api"
SETTINGS = Settings(
    sidecar_image="registry.example/sidecar:1",
    allowed_images=("registry.example/sidecar:1",),
    broker_ca=(create_authority(datetime.now(UTC)).certificate,),
)
SHARED = "shared"
READER_BINDING = names.SECRET_READER_ROLE


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    with clusters.api_server() as alone:
        alone.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHARED}},
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": names.BROKER, "namespace": names.NAMESPACE},
            },
        )
        install(alone)
        yield alone


@pytest.fixture(scope="module")
def broker(cluster: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    path = kubeconfig_of(cluster, tmp_path_factory.mktemp("broker"), names.NAMESPACE, names.BROKER)
    with running_broker(path, SETTINGS) as running:
        yield running


@pytest.fixture
def place(cluster: Kube, broker: Broker, caplog: pytest.LogCaptureFixture) -> "Iterator[Place]":
    with cluster.namespace(prefix="team") as namespace:
        yield Place(cluster, broker, namespace, caplog)


def connector(**params: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": "pypi"},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def login(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": "reader", "password": CANARY},
        **changes,
    }


def injected(namespace: str, **annotations: str) -> dict[str, Any]:
    """A Pod as admission leaves it."""
    chosen = {"connector": "pypi", **annotations}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "job",
            "namespace": namespace,
            "annotations": {f"{names.GROUP}/{key}": text for key, text in chosen.items()},
        },
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }

    def lookup(key: str) -> Any:
        owner, name = key.split("/")
        return parse_connector({**connector(), "metadata": {"name": name, "namespace": owner}})

    decision = decide(pod, namespace=namespace, lookup=lookup, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def binding(role: str, subject: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{subject['namespace']}"},
        "subjects": [{"kind": "ServiceAccount", **subject}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, and the broker that is asked by its Pods."""

    kube: Kube
    broker: Broker
    namespace: str
    caplog: pytest.LogCaptureFixture

    @property
    def key(self) -> str:
        return f"{self.namespace}/pypi"

    def create(self, *manifests: Mapping[str, Any]) -> None:
        self.kube.create(*manifests, namespace=self.namespace)

    def create_pod(self, **annotations: str) -> str:
        """The uid of a Pod as admission leaves it."""
        return self.create_as_is(injected(self.namespace, **annotations))

    def create_as_is(self, pod: Mapping[str, Any]) -> str:
        self.create(pod)
        return str(self.kube.get("pod", "job", self.namespace)["metadata"]["uid"])

    def token(self, *options: str, audience: str = "pypi-connector") -> str:
        command = ["create", "token", "default", "-n", self.namespace, "--audience", audience, *options]
        return self.kube.run(*command).stdout.strip()

    def bound_token(self, **options: str) -> str:
        """What the kubelet projects into the Pod."""
        return self.token("--bound-object-kind", "Pod", "--bound-object-name", "job", **options)

    def ask(self, token: str, key: str | None = None) -> httpx.Response:
        self.caplog.clear()
        return self.broker.ask(token, key or self.key)

    def granted(self, token: str, key: str | None = None) -> Grant:
        response = self.ask(token, key)
        assert response.status_code == 200, response.text
        self._check_audit("granted", "Granted")
        return Grant.parse(response.content)

    def refused(
        self, token: str, status: int, reason: str, *, uid: str | None, key: str | None = None
    ) -> str:
        """The sentence. Event and audit line are as they must be; without `uid` there must be no Event."""
        before = len(self.events())
        response = self.ask(token, key)
        problem = response.json()
        assert (response.status_code, problem["reason"]) == (status, reason), problem
        self._check_audit("refused", reason)
        if uid is None:
            assert len(self.events()) == before
        else:
            event = self.event(uid, reason)
            assert event["type"] == "Warning"
            assert event["message"] == f"Connector {key or self.key}: {problem['detail']}"
        assert CANARY not in response.text
        return str(problem["detail"])

    def event(self, uid: str, reason: str) -> dict[str, Any]:
        """The one Event of that reason on that Pod."""

        def found() -> list[dict[str, Any]]:
            return [
                one for one in self.events() if (one["involvedObject"]["uid"], one["reason"]) == (uid, reason)
            ]

        [event] = self.kube.wait_for(found, what=f"the Event {reason}")
        return event

    def events(self) -> list[dict[str, Any]]:
        return [
            one
            for one in self.kube.events(self.namespace, "job")
            if one["source"]["component"] == names.SIDECAR
        ]

    def _check_audit(self, result: str, reason: str) -> None:
        lines = [record for record in self.caplog.records if record.msg == "grant"]
        assert [(vars(one)["result"], vars(one)["reason"]) for one in lines] == [(result, reason)]


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
    sentence = place.refused(token, 401, "TokenNotAuthenticated", uid=None)
    assert "audience" in sentence


def test_an_expired_token_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    token = expired(place.bound_token(), place.kube.kubeconfig.parent / "pki" / "sa.key")
    assert "expired" in place.refused(token, 401, "TokenNotAuthenticated", uid=None)


def test_a_token_that_somebody_else_signed_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    head, claims, signature = place.bound_token().split(".")
    forged = f"{head}.{claims}.{signature[:8][::-1]}{signature[8:]}"
    place.refused(forged, 401, "TokenNotAuthenticated", uid=None)


def test_a_token_that_is_bound_to_no_pod_is_refused(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    place.refused(place.token(), 403, "TokenNotPodBound", uid=None)


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


def edit_nothing(pod: dict[str, Any]) -> None:
    """As admission leaves it."""


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


# -- the Connector and its Secret


def test_a_connector_that_does_not_exist_is_refused(place: Place) -> None:
    uid = place.create_pod()
    place.refused(place.bound_token(), 404, "ConnectorNotFound", uid=uid)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "SecretNotFound"),
        (login(type="Opaque"), "SecretTypeMismatch"),
        (login(stringData={"username": "reader"}), "SecretWithoutPassword"),
        (login(stringData={"password": CANARY}), "SecretWithoutUsername"),
        (login(stringData={"username": "reader", "password": CANARY + "\n"}), "SecretHasControlCharacter"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_until_it_is_mended(
    place: Place, secret: dict[str, Any] | None, reason: str
) -> None:
    place.create(connector(), *([secret] if secret else []))
    uid = place.create_pod()
    token = place.bound_token()
    place.refused(token, 403, reason, uid=uid)
    place.kube.delete("secret", "login", place.namespace)
    place.create(login())
    assert place.granted(token).credential == ("reader", Secret(CANARY))
    place.event(uid, "Granted")


def test_a_rotated_secret_has_another_version(place: Place) -> None:
    place.create(connector(), login())
    place.create_pod()
    token = place.bound_token()
    before = place.granted(token)
    data = {"password": base64.b64encode(f"{CANARY}-new".encode()).decode()}
    place.kube.patch("secret", "login", {"data": data}, place.namespace)
    after = place.granted(token)
    assert after.credential == ("reader", Secret(f"{CANARY}-new"))
    assert after.version != before.version
    assert place.granted(token) == after


def test_a_secret_that_the_broker_may_not_read_is_refused_until_the_role_is_bound(place: Place) -> None:
    """The overlay that lets the broker read Secrets in chosen namespaces only."""
    place.create(connector(), login())
    uid = place.create_pod()
    token = place.bound_token()
    place.kube.delete("clusterrolebinding", READER_BINDING)
    try:
        place.kube.wait_for(lambda: place.ask(token).status_code == 403, what="the right to be withdrawn")
        sentence = place.refused(token, 403, "SecretForbidden", uid=uid)
        assert f"bind the ClusterRole {names.SECRET_READER_ROLE}" in sentence
        assert f"in namespace {place.namespace}" in sentence
        place.create(binding(names.SECRET_READER_ROLE, {"name": names.BROKER, "namespace": names.NAMESPACE}))
        place.kube.wait_for(lambda: place.ask(token).status_code == 200, what="the grant")
    finally:
        install(place.kube)


def test_a_read_only_connector_grants_no_upload(place: Place) -> None:
    place.create(connector(access="read"), login())
    uid = place.create_pod()
    assert place.granted(place.bound_token()).upload_url is None
    assert place.event(uid, "Granted")["message"] == f"Connector {place.key}: install"


# -- access


def allow(place: Place, role: str, namespace: str) -> None:
    place.kube.create(binding(role, {"name": "default", "namespace": place.namespace}), namespace=namespace)


@pytest.fixture
def shared(cluster: Kube) -> Iterator[str]:
    """The key of a Connector in another namespace."""
    cluster.create(connector(), login(), namespace=SHARED)
    yield f"{SHARED}/pypi"
    cluster.run("delete", "connectors,secrets,rolebindings", "--all", "-n", SHARED)


def test_another_namespaces_connector_is_refused_until_its_role_is_bound(place: Place, shared: str) -> None:
    uid = place.create_pod(connector=shared)
    token = place.bound_token()
    sentence = place.refused(token, 403, "AccessDenied", uid=uid, key=shared)
    assert f"ServiceAccount {place.namespace}/default" in sentence
    assert f"ClusterRole {names.USER_ROLE} by a RoleBinding in namespace {SHARED}" in sentence
    allow(place, names.USER_ROLE, SHARED)
    place.kube.wait_for(lambda: place.ask(token, shared).status_code == 200, what="the RoleBinding to count")
    assert place.granted(token, shared).upload_url is None
    assert place.event(uid, "Granted")["message"] == f"Connector {shared}: install"


def test_a_publisher_of_another_namespace_may_upload(place: Place, shared: str) -> None:
    uid = place.create_pod(connector=shared)
    token = place.bound_token()
    allow(place, names.PUBLISHER_ROLE, SHARED)
    place.kube.wait_for(lambda: place.ask(token, shared).status_code == 200, what="the RoleBinding to count")
    assert place.granted(token, shared).upload_url is not None
    assert place.event(uid, "Granted")["message"] == f"Connector {shared}: install and upload"


def test_nobody_without_access_learns_whether_a_foreign_connector_exists(place: Place) -> None:
    uid = place.create_pod(connector=f"{SHARED}/nothing")
    place.refused(place.bound_token(), 403, "AccessDenied", uid=uid, key=f"{SHARED}/nothing")


def test_under_rbac_the_same_namespace_needs_the_role_as_well(place: Place) -> None:
    place.create(connector(authorization="rbac"), login())
    uid = place.create_pod()
    token = place.bound_token()
    place.refused(token, 403, "AccessDenied", uid=uid)
    allow(place, names.PUBLISHER_ROLE, place.namespace)
    place.kube.wait_for(lambda: place.ask(token).status_code == 200, what="the RoleBinding to count")
    assert place.granted(token).upload_url is not None
    assert place.event(uid, "Granted")


def test_a_cluster_administrators_wish_for_secrets_is_no_right_of_the_broker(cluster: Kube) -> None:
    """Its rights are enough for all of the above, and no more than `get`."""
    account = cluster.as_service_account(names.NAMESPACE, names.BROKER)
    assert account.can_i("get", "secrets", "default")
    for verb in ("list", "watch", "update", "patch", "delete"):
        assert not account.can_i(verb, "secrets", "default")
    assert not account.can_i("list", "pods", "default")
    assert not account.can_i("create", "pods", "default")
    assert not account.can_i("get", "events", "default")


def test_no_log_record_of_the_broker_holds_the_credential(place: Place) -> None:
    place.caplog.set_level(logging.DEBUG)
    place.create(connector(), login())
    place.create_pod()
    token = place.bound_token()
    place.granted(token)
    records = json.dumps([vars(record) for record in place.caplog.records], default=str)
    assert "Granted" in records
    assert CANARY not in records
    assert token not in records
