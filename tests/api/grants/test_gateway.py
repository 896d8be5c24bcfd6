"""Grants to the gateway for its clients: by real tokens and reviews, and what a stolen token opens.

No guard is installed here, so that an administrator can mint the tokens of Pods. No Pod ever runs.
"""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.secret import Secret
from support.kubernetes.grant_places import CANARY, SHARED, Place, binding, connector, login
from support.kubernetes.kube import Kube
from webhook import names

CLIENTS = "pypi-connector-gateway"
"""The audience of their tokens"""
BROKER = "pypi-connector"
POD = "gateway-1"


def gateway_pod(name: str = POD, account: str = names.GATEWAY) -> dict[str, Any]:
    containers = [{"name": "gateway", "image": "example.test/webhook:1"}]
    spec = {"serviceAccountName": account, "schedulerName": "nobody", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def mint(
    kube: Kube, namespace: str, account: str, audience: str, *, pod: str = "", duration: str = "10m"
) -> str:
    bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod] if pod else []
    options = ["--audience", audience, "--duration", duration, *bound]
    return kube.run("create", "token", account, "-n", namespace, *options).stdout.strip()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's Pod, and a namespace with clients."""

    place: Place
    own: str
    """Its token for the broker"""

    def client(self, account: str = "default", **options: Any) -> str:
        return mint(self.place.kube, self.place.namespace, account, CLIENTS, **options)

    def ask(self, token: str, key: str = "") -> httpx.Response:
        self.place.caplog.clear()
        return self.place.broker.ask_as_gateway(self.own, token, key or self.place.key)

    def granted(self, token: str, key: str = "") -> GatewayGrant:
        answer = self.ask(token, key)
        assert answer.status_code == 200, answer.text
        return GatewayGrant.parse(answer.content)

    def refused(self, token: str, key: str = "") -> tuple[int, str, str]:
        answer = self.ask(token, key)
        fields = answer.json()
        assert CANARY not in answer.text
        return answer.status_code, fields["reason"], fields["detail"]

    def until(self, token: str, status: int, key: str = "") -> None:
        """A change of RBAC, or a forgotten review, takes some seconds."""
        self.place.kube.wait_for(
            lambda: self.ask(token, key).status_code == status, what=f"an answer with {status}"
        )


@pytest.fixture(scope="module")
def own(cluster: Kube) -> Iterator[str]:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.GATEWAY}}
    cluster.create(account, gateway_pod(), namespace=names.NAMESPACE)
    yield mint(cluster, names.NAMESPACE, names.GATEWAY, BROKER, pod=POD, duration="1h")
    cluster.delete("pod", POD, names.NAMESPACE, now=True)


@pytest.fixture
def gateway(place: Place, own: str) -> Gateway:
    return Gateway(place, own)


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


# -- the client's token


def test_a_token_for_another_audience_is_401(gateway: Gateway) -> None:
    place = gateway.place
    place.create(connector(), login())
    for audience in (BROKER, "https://kubernetes.default.svc.cluster.local", f"{CLIENTS}-2"):
        token = mint(place.kube, place.namespace, "default", audience)
        assert gateway.refused(token)[:2] == (401, "ClientTokenNotAuthenticated")


def test_an_expired_or_forged_token_is_401(gateway: Gateway) -> None:
    gateway.place.create(connector(), login())
    token = gateway.client()
    old = signed_again(token, gateway.place.kube.kubeconfig.parent / "pki" / "sa.key")
    status, reason, sentence = gateway.refused(old)
    assert (status, reason) == (401, "ClientTokenNotAuthenticated")
    assert "expired" in sentence
    head, claims, signature = token.split(".")
    forged = f"{head}.{claims}.{signature[:8][::-1]}{signature[8:]}"
    assert gateway.refused(forged)[:2] == (401, "ClientTokenNotAuthenticated")
    gateway.granted(token)


def signed_again(token: str, key: Path) -> str:
    """As the API server would have signed it two hours ago."""
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    claims |= {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    head = jwt.get_unverified_header(token)
    return jwt.encode(claims, key.read_bytes(), algorithm=head["alg"], headers={"kid": head["kid"]})


def test_a_token_is_withdrawn_with_its_service_account(gateway: Gateway) -> None:
    place = gateway.place
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci"}}
    place.create(connector(), login(), account)
    token = gateway.client("ci")
    gateway.granted(token)
    place.kube.delete("serviceaccount", "ci", place.namespace)
    gateway.until(token, 401)
    place.create(account)
    time.sleep(10.5)  # the time for which a failed token is remembered
    assert gateway.refused(token)[:2] == (401, "ClientTokenNotAuthenticated"), "another uid"


def test_a_token_of_a_pod_is_withdrawn_with_the_pod(gateway: Gateway) -> None:
    place = gateway.place
    place.create(connector(), login())
    place.create_as_is(gateway_pod("job", "default"))
    token = gateway.client(pod="job")
    assert gateway.granted(token).client == f"{place.namespace}/default"
    place.kube.delete("pod", "job", place.namespace, now=True)
    gateway.until(token, 401)


# -- stolen tokens


def test_a_stolen_token_of_a_client_gives_its_use_at_the_gateway_and_no_credential(gateway: Gateway) -> None:
    """Its holder can talk to the broker, and gets nothing there: the audience is not the broker's."""
    place = gateway.place
    place.create(connector(), login())
    place.create_pod()
    stolen = [gateway.client(), gateway.client(pod="job")]
    for token in stolen:
        for answer in (
            place.broker.ask(token, place.key),
            place.broker.ask_as_gateway(token, token, place.key),
        ):
            assert answer.status_code in (401, 403), answer.text
            assert CANARY not in answer.text


def test_a_sidecars_stolen_token_opens_neither_half_of_the_gateways_door(gateway: Gateway) -> None:
    place = gateway.place
    place.create(connector(), login())
    place.create_pod()
    sidecars = place.bound_token()
    place.granted(sidecars)
    as_caller = place.broker.ask_as_gateway(sidecars, gateway.client(), place.key)
    assert (as_caller.status_code, as_caller.json()["reason"]) == (403, "GatewayNotAllowed")
    assert gateway.refused(sidecars)[:2] == (401, "ClientTokenNotAuthenticated")


def test_the_gateways_token_gives_no_grant_at_a_sidecars_door(gateway: Gateway) -> None:
    place = gateway.place
    place.create(connector(), login())
    answer = place.broker.ask(gateway.own, place.key)
    assert (answer.status_code, answer.json()["reason"]) == (403, "ConnectorNotNamed")
    assert gateway.refused(gateway.own)[:2] == (401, "ClientTokenNotAuthenticated")


def test_an_account_of_the_gateways_name_in_another_namespace_is_no_gateway(gateway: Gateway) -> None:
    place = gateway.place
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.GATEWAY}}
    place.create(connector(), login(), account, gateway_pod())
    false = mint(place.kube, place.namespace, names.GATEWAY, BROKER, pod=POD)
    answer = place.broker.ask_as_gateway(false, gateway.client(), place.key)
    assert (answer.status_code, answer.json()["reason"]) == (403, "GatewayNotAllowed")


def test_the_gateways_account_gets_nothing_without_a_living_pod(gateway: Gateway, cluster: Kube) -> None:
    place = gateway.place
    place.create(connector(), login())
    unbound = mint(cluster, names.NAMESPACE, names.GATEWAY, BROKER)
    cluster.create(gateway_pod("gateway-2"), namespace=names.NAMESPACE)
    gone = mint(cluster, names.NAMESPACE, names.GATEWAY, BROKER, pod="gateway-2")
    assert place.broker.ask_as_gateway(gone, gateway.client(), place.key).status_code == 200
    cluster.delete("pod", "gateway-2", names.NAMESPACE, now=True)
    for own, reasons in (
        (unbound, {"GatewayTokenRefused"}),
        (gone, {"GatewayPodGone", "GatewayTokenRefused"}),
    ):
        answer = place.broker.ask_as_gateway(own, gateway.client(), place.key)
        assert answer.status_code == 403
        assert answer.json()["reason"] in reasons


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
