"""Grants by Connector and namespace: with real Secrets, and access by the real SubjectAccessReview."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.contract.secret import Secret
from support.components.brokers import install
from support.kubernetes.grant_places import CANARY, SHARED, Place, binding, connector, login
from support.kubernetes.kube import Kube
from webhook import names

READER_BINDING = names.SECRET_READER_ROLE


# -- the Connector and its Secret


def test_a_connector_that_does_not_exist_is_refused(place: Place) -> None:
    uid = place.create_pod()
    place.refused(place.bound_token(), 404, "ConnectorNotFound", uid=uid)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "SecretNotFound"),
        (login(type="Opaque"), "SecretTypeMismatch"),
        (login(stringData={"username": "", "password": ""}), "SecretEmpty"),
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


@pytest.mark.parametrize(
    ("values", "pair"),
    [({"username": CANARY}, (CANARY, "")), ({"password": CANARY}, ("", CANARY))],
)
def test_a_secret_of_one_half_is_granted(place: Place, values: dict[str, str], pair: tuple[str, str]) -> None:
    place.create(connector(), login(stringData=values))
    place.create_pod()
    assert place.granted(place.bound_token()).credential == (pair[0], Secret(pair[1]))


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
