"""Tokens at the gateway's door of the broker: real ones, withdrawn ones, and what a stolen one opens.

No guard is installed here, so that an administrator can mint the tokens of Pods.
"""

import time
from pathlib import Path

import jwt

from support.kubernetes.gateway_places import BROKER, CLIENTS, POD, Gateway, gateway_pod, mint
from support.kubernetes.grant_places import CANARY, connector, login
from support.kubernetes.kube import Kube
from webhook import names

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
