"""Grants to the gateway for its clients: access by real reviews, and the traces of a grant."""

import json
import logging
import subprocess
from collections.abc import Iterator

import pytest

from sidecar.contract.secret import Secret
from support.clients.command_line import PROGRAM
from support.kubernetes.gateway_places import POD, Gateway, gateway_pod
from support.kubernetes.grant_places import CANARY, SHARED, binding, connector, login
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from webhook import names


@pytest.fixture
def shared(cluster: Kube) -> Iterator[str]:
    """The key of a Connector in another namespace."""
    cluster.create(connector(), login(), namespace=SHARED)
    yield f"{SHARED}/pypi"
    cluster.run("delete", "connectors,secrets,rolebindings", "--all", "-n", SHARED)


# -- access


def test_a_client_of_the_same_namespace_is_granted_the_credential_until_its_token_ends(
    gateway: Gateway,
) -> None:
    gateway.place.create(connector(), login())
    issued = gateway.granted(gateway.client())
    assert issued.grant.credential == ("reader", Secret(CANARY))
    assert issued.grant.upload_url == "https://registry.example/"
    assert issued.client == f"{gateway.place.namespace}/default"
    assert 500 < issued.expires_seconds <= 600
    assert issued.grant.soft_seconds == 300
    assert issued.grant.hard_seconds == issued.expires_seconds


def test_another_namespaces_connector_is_refused_until_its_role_is_bound(
    gateway: Gateway, shared: str
) -> None:
    place, token = gateway.place, gateway.client()
    status, reason, sentence = gateway.refused(token, shared)
    assert (status, reason) == (403, "AccessDenied")
    assert f"ServiceAccount {place.namespace}/default may not use Connector {shared}" in sentence
    subject = {"name": "default", "namespace": place.namespace}
    place.kube.create(binding(names.USER_ROLE, subject), namespace=SHARED)
    gateway.until(token, 200, shared)
    assert gateway.granted(token, shared).grant.upload_url is None
    place.kube.create(binding(names.PUBLISHER_ROLE, subject), namespace=SHARED)
    place.kube.wait_for(
        lambda: gateway.granted(token, shared).grant.upload_url is not None, what="the right to upload"
    )
    place.kube.run("delete", "rolebindings", "--all", "-n", SHARED)
    gateway.until(token, 403, shared)


def test_a_group_of_the_client_may_be_bound(gateway: Gateway, shared: str) -> None:
    role = binding(names.USER_ROLE, {"name": "x", "namespace": gateway.place.namespace})
    group = f"system:serviceaccounts:{gateway.place.namespace}"
    role["subjects"] = [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}]
    gateway.place.kube.create(role, namespace=SHARED)
    gateway.until(gateway.client(), 200, shared)


def test_nobody_without_access_learns_whether_a_foreign_connector_exists(
    gateway: Gateway, shared: str
) -> None:
    token = gateway.client()
    exists = gateway.refused(token, shared)
    absent = gateway.refused(token, f"{SHARED}/nothing")
    nowhere = gateway.refused(token, "nowhere/nothing")
    assert {exists[:2], absent[:2], nowhere[:2]} == {(403, "AccessDenied")}
    assert exists[2].replace(shared, "KEY") == absent[2].replace(f"{SHARED}/nothing", "KEY")
    assert gateway.refused(token)[:2] == (404, "ConnectorNotFound")


def test_under_rbac_the_same_namespace_needs_the_role_as_well(gateway: Gateway) -> None:
    place, token = gateway.place, gateway.client()
    place.create(connector(authorization="rbac"), login())
    assert gateway.refused(token)[:2] == (403, "AccessDenied")
    place.create(binding(names.USER_ROLE, {"name": "default", "namespace": place.namespace}))
    gateway.until(token, 200)
    assert gateway.granted(token).grant.upload_url is None


def test_a_read_only_connector_grants_no_upload(gateway: Gateway) -> None:
    gateway.place.create(connector(access="read"), login())
    assert gateway.granted(gateway.client()).grant.upload_url is None


def test_the_token_that_configure_writes_is_granted(gateway: Gateway) -> None:
    place = gateway.place
    place.create(connector(), login())
    arguments = ("-n", place.namespace, "pypi", "--file", ".pypirc", "--url", "https://gateway.example")
    printed = subprocess.run(
        [PROGRAM, "configure", *arguments],
        env={**clean(), "KUBECONFIG": str(place.kube.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    issued = gateway.granted(printed.rpartition("password = ")[2].strip())
    assert issued.client == f"{place.namespace}/default"
    assert 3500 < issued.expires_seconds <= 3600


# -- traces


def test_the_traces_name_client_and_connector_and_no_secret(gateway: Gateway) -> None:
    place = gateway.place
    place.caplog.set_level(logging.DEBUG)
    place.create(connector(), login())
    place.create_as_is(gateway_pod("job", "default"))
    token = gateway.client(pod="job")
    gateway.granted(token)
    [line] = [vars(record) for record in place.caplog.records if record.msg == "gateway grant"]
    fields = ("connector", "namespace", "service_account", "gateway", "result")
    expected = (place.key, place.namespace, "default", POD, "granted")
    assert tuple(line[field] for field in fields) == expected
    records = json.dumps([vars(record) for record in place.caplog.records], default=str)
    assert CANARY not in records
    assert token not in records
    assert gateway.own not in records
    assert place.events() == []
