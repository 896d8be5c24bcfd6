"""The broker over HTTP, asked by a gateway: the tokens that it refuses, and broken requests."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sidecar.contract.secret import Secret
from support.components.broker_requests import (
    AUDIENCE,
    connector,
    login,
    problem,
    token,
)
from support.components.gateway_requests import (
    CLIENTS,
    ask_as_gateway,
    body_of,
    client_token,
    cluster,
    gateway_pod,
    own_token,
)
from support.components.made_up_tokens import made_up
from webhook import names
from webhook.demo.memory_cluster import MemoryCluster


def refused(given: MemoryCluster, *bodies: Mapping[str, Any], **options: Any) -> tuple[int, str]:
    [answer] = ask_as_gateway(given, *bodies, **options)
    return problem(answer)


# -- the client's token


def human(given: MemoryCluster) -> str:
    return made_up(aud=[CLIENTS], exp=time.time() + 600, sub="jane")


def claiming(namespace: str, of_subject: str | None = None) -> str:
    subject = f"system:serviceaccount:{of_subject or namespace}:default"
    private = {"namespace": namespace}
    return made_up(aud=[CLIENTS], exp=time.time() + 600, sub=subject, **{"kubernetes.io": private})


BAD_TOKENS: Mapping[str, Callable[[MemoryCluster], str]] = {
    "empty": lambda given: "",
    "a password": lambda given: "hunter2",
    "not ASCII": lambda given: "ä.ö.ü",
    "a surrogate": lambda given: "\ud800.a.b",
    "made up": lambda given: made_up(aud=[CLIENTS], exp=time.time() + 600),
    "a human's": human,
    "expired": lambda given: made_up(aud=[CLIENTS], exp=time.time() - 600),
    "without an end": lambda given: made_up(aud=[CLIENTS], exp=None),
    "of the API server": lambda given: client_token(given, audience="https://kubernetes.default.svc"),
    "for the broker": lambda given: client_token(given, audience=AUDIENCE),
    "of a sidecar": token,
    "of the gateway itself": own_token,
    "with a namespace of kilobytes": lambda given: claiming("a" * 9_000),
    "with a namespace that cannot exist": lambda given: claiming("Team/1"),
    "of two namespaces": lambda given: claiming("team", "other"),
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_of_a_client_is_401_with_the_way_out(make: Callable[[MemoryCluster], str]) -> None:
    given = cluster()
    [answer] = ask_as_gateway(given, {**body_of("x"), "token": make(given)})
    assert problem(answer) == (401, "ClientTokenNotAuthenticated")
    assert "kubectl create token NAME -n NAMESPACE --audience pypi-connector-gateway" in answer.text


class IgnoringAudiences(MemoryCluster):
    """An API server that answers with audiences of its own, or accepts a user who is no ServiceAccount."""

    def __init__(self, **changes: Any) -> None:
        super().__init__([gateway_pod(), connector(), login()])
        self._changes = changes

    def token_review_status(self, token: Secret, audience: str) -> dict[str, Any]:
        status = super().token_review_status(token, audience)
        return {**status, **self._changes} if audience == CLIENTS else status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"audiences": ["https://kubernetes.default.svc"]}, "ClientTokenAudienceMissing"),
        ({"audiences": []}, "ClientTokenAudienceMissing"),
        ({"user": {"username": "jane", "groups": ["team"]}}, "ClientTokenNotServiceAccount"),
    ],
)
def test_a_review_is_read_to_its_end(changes: dict[str, Any], reason: str) -> None:
    given = IgnoringAudiences(**changes)
    assert refused(given) == (401, reason)


# -- the gateway


def test_a_sidecars_token_gives_no_grant_at_this_door() -> None:
    """Stolen or its own: it does not even learn whether the client's token is valid."""
    given = cluster()
    for body in (body_of(client_token(given)), body_of("made.up.token"), body_of(token(given))):
        assert refused(given, body, own=token(given)) == (403, "GatewayNotAllowed")


@pytest.mark.parametrize("audience", [AUDIENCE, CLIENTS])
def test_a_clients_token_gives_no_grant_as_a_caller(audience: str) -> None:
    given = cluster()
    unbound = client_token(given, audience=audience)
    assert refused(given, own=unbound) == (403, "GatewayTokenRefused")


def test_the_gateways_account_without_a_pod_is_no_gateway() -> None:
    given = cluster()
    unbound = client_token(given, names.NAMESPACE, names.GATEWAY, AUDIENCE)
    assert refused(given, own=unbound) == (403, "GatewayTokenRefused")


@pytest.mark.parametrize(
    ("namespace", "account"),
    [("team", names.GATEWAY), (names.NAMESPACE, "default"), (names.NAMESPACE, names.BROKER)],
)
def test_another_account_of_a_similar_name_is_no_gateway(namespace: str, account: str) -> None:
    pod = gateway_pod(metadata={"name": "other", "namespace": namespace})
    pod["spec"] = {**pod["spec"], "serviceAccountName": account}
    given = cluster(pod)
    stranger = given.issue_token(namespace, "other", AUDIENCE).reveal()
    assert refused(given, own=stranger) == (403, "GatewayNotAllowed")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_gateway_that_has_ended_gets_nothing(phase: str) -> None:
    given = cluster(gateway_pod(status={"phase": phase}))
    assert refused(given) == (403, "GatewayPodGone")


class SlowToForget(MemoryCluster):
    """The API server remembers a review for ten seconds: here it never looks at the Pod."""

    def _check_bound(self, private: Mapping[str, Any]) -> None:
        pass


def test_a_gateway_that_is_gone_or_created_anew_gets_nothing() -> None:
    given = SlowToForget([gateway_pod(), connector(), login()])
    old = own_token(given)
    given.delete("Pod", names.NAMESPACE, "gateway-1")
    assert refused(given, own=old) == (403, "GatewayPodGone")
    given.apply(gateway_pod())
    assert refused(given, own=old) == (403, "GatewayPodGone")
    [answer] = ask_as_gateway(given)
    assert answer.status_code == 200


@pytest.mark.parametrize("own", ["", "x", "a.b.c", made_up(aud=["x"])])
def test_a_broken_token_of_the_gateway_is_403_not_401(own: str) -> None:
    """401 would have the gateway ask its client for another token."""
    assert refused(cluster(), own=own) == (403, "GatewayTokenRefused")


# -- the other door


def test_a_gateways_tokens_give_no_grant_to_a_sidecar() -> None:
    given = cluster()
    plain = {"connector": "team/pypi"}

    def ask(own: str) -> tuple[int, str]:
        [answer] = ask_as_gateway(given, plain, own=own, url="/v1/grants")
        return problem(answer)

    bound = given.issue_token("team", "job", CLIENTS).reveal()
    assert ask(bound) == (401, "TokenNotAuthenticated")
    assert ask(client_token(given)) == (401, "TokenNotAuthenticated")
    assert ask(own_token(given)) == (403, "ConnectorNotNamed")


def test_the_gateways_own_pod_gets_no_sidecars_grant_even_with_the_annotation() -> None:
    metadata = {**gateway_pod()["metadata"], "annotations": {names.CONNECTOR: "team/pypi"}}
    given = cluster(gateway_pod(metadata=metadata))
    [answer] = ask_as_gateway(given, {"connector": "team/pypi"}, url="/v1/grants")
    assert problem(answer) == (403, "SidecarAbsent")


# -- the request


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"connector": "team/pypi"}, (400, "BodyMalformed")),
        ({"connector": "team/pypi", "token": None}, (400, "BodyMalformed")),
        ({"connector": "team/pypi", "token": ["a.b.c"]}, (400, "BodyMalformed")),
        ({"connector": "pypi", "token": "a.b.c"}, (400, "BodyMalformed")),
        ({"connector": "team/pypi", "token": "a" * 40 * 1024}, (413, "BodyTooLarge")),
    ],
)
def test_a_broken_body_has_its_answer(body: dict[str, Any], expected: tuple[int, str]) -> None:
    assert refused(cluster(), body) == expected


def test_a_token_of_the_largest_head_passes() -> None:
    assert refused(cluster(), body_of("a" * 32 * 1024)) == (401, "ClientTokenNotAuthenticated")
