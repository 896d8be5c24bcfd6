"""The broker over HTTP, asked by a gateway for its clients: grants, refusals, and what each of them tells."""

from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from support.components.broker_requests import (
    CANARY,
    Told,
    connector,
    everything,
    injected,
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
)
from webhook import names
from webhook.connector.secret import SecretManifest
from webhook.demo.memory_cluster import MemoryCluster
from webhook.errors import ClusterUnavailable, Forbidden


def granted(given: MemoryCluster, *bodies: Mapping[str, Any]) -> GatewayGrant:
    [answer] = ask_as_gateway(given, *bodies)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return GatewayGrant.parse(answer.content)


def refused(given: MemoryCluster, *bodies: Mapping[str, Any], **options: Any) -> tuple[int, str]:
    [answer] = ask_as_gateway(given, *bodies, **options)
    return problem(answer)


# -- a grant


def test_a_client_of_the_connectors_namespace_gets_a_grant() -> None:
    issued = granted(cluster())
    assert issued.grant.credential == ("reader", Secret(CANARY))
    assert issued.grant.upload_url == "https://registry.example/"
    assert issued.client == "team/default"
    assert 3500 < issued.expires_seconds <= 3600
    assert issued.grant.soft_seconds == 300
    assert issued.grant.hard_seconds == issued.expires_seconds


def test_a_grant_ends_with_the_clients_token() -> None:
    given = cluster()
    short = given.issue_unbound_token("team", "default", CLIENTS, life_seconds=120).reveal()
    issued = granted(given, body_of(short))
    assert 100 < issued.expires_seconds <= 120
    assert issued.grant.soft_seconds == issued.grant.hard_seconds == issued.expires_seconds


def test_a_client_may_be_a_pod() -> None:
    given = cluster()
    bound = given.issue_token("team", "job", CLIENTS).reveal()
    assert granted(given, body_of(bound)).client == "team/default"


def test_a_pod_that_is_deleted_takes_its_token_along() -> None:
    given = cluster()
    bound = given.issue_token("team", "job", CLIENTS).reveal()
    given.delete("Pod", "team", "job")
    assert refused(given, body_of(bound)) == (401, "ClientTokenNotAuthenticated")


# -- access


def binding(role: str) -> list[dict[str, Any]]:
    verbs = {"user": ["get"], "publisher": ["get", "create"]}[role]
    rule = {"apiGroups": [names.GROUP], "resources": ["connectors/proxy"], "verbs": verbs}
    return [
        {"kind": "ClusterRole", "metadata": {"name": role}, "rules": [rule]},
        {
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": "team"},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "builder", "namespace": "other"}],
        },
    ]


@pytest.mark.parametrize(
    ("manifests", "namespace", "expected"),
    [
        ([], "team", True),
        ([connector(access="read")], "team", False),
        (binding("user"), "other", False),
        (binding("publisher"), "other", True),
        ([connector(access="read"), *binding("publisher")], "other", False),
    ],
)
def test_uploading_takes_access_and_the_right(
    manifests: list[Mapping[str, Any]], namespace: str, expected: bool
) -> None:
    given = cluster(*manifests)
    issued = granted(given, body_of(client_token(given, namespace, "builder")))
    assert (issued.grant.upload_url is not None) is expected


@pytest.mark.parametrize("key", ["team/pypi", "team/nothing", "nowhere/nothing"])
def test_a_stranger_does_not_learn_whether_a_connector_exists(key: str) -> None:
    given = cluster()
    [answer] = ask_as_gateway(given, body_of(client_token(given, "other", "builder"), key))
    assert problem(answer) == (403, "AccessDenied")
    assert f"ServiceAccount other/builder may not use Connector {key}" in answer.json()["detail"]


def test_an_absent_connector_is_404_for_its_own_namespace_and_those_with_the_right() -> None:
    given = cluster(*binding("user"))
    assert refused(given, body_of(client_token(given), "team/nothing")) == (404, "ConnectorNotFound")
    friend = client_token(given, "other", "builder")
    assert refused(given, body_of(friend, "team/nothing")) == (404, "ConnectorNotFound")


def test_under_rbac_the_own_namespace_needs_the_right_as_well() -> None:
    given = cluster(connector(authorization="rbac"))
    assert refused(given) == (403, "AccessDenied")


def test_a_right_to_install_is_none_to_upload_under_rbac() -> None:
    roles = binding("user")
    roles[1]["subjects"] = [{"kind": "ServiceAccount", "name": "builder", "namespace": "team"}]
    given = cluster(connector(authorization="rbac"), *roles)
    assert granted(given, body_of(client_token(given, account="builder"))).grant.upload_url is None


@pytest.mark.parametrize("group", ["system:serviceaccounts:other", "system:authenticated"])
def test_the_groups_of_the_client_count(group: str) -> None:
    roles = binding("user")
    roles[1]["subjects"] = [{"kind": "Group", "name": group}]
    given = cluster(*roles)
    granted(given, body_of(client_token(given, "other", "anybody")))


def test_a_gateway_without_the_policy_gets_no_grant_that_needs_it_after_the_rights_are_checked() -> None:
    given = cluster(connector(denyPackages="evil-*"))
    old = {**body_of(client_token(given)), "enforces": []}
    assert refused(given, old) == (403, "GatewayTooOld")
    assert refused(given, {**body_of(client_token(given, "other")), "enforces": []}) == (403, "AccessDenied")
    packages = granted(given, body_of(client_token(given))).grant.packages
    assert packages is not None
    assert packages.deny == ("evil-*",)


def test_a_secret_that_cannot_be_used_is_403_as_for_a_pod() -> None:
    given = cluster({**login(), "type": "Opaque"})
    assert refused(given) == (403, "SecretTypeMismatch")


# -- what remains of it


def test_the_log_names_client_connector_and_gateway_and_no_pod_hears_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    given, recorder = cluster(), Told()
    secret = client_token(given)
    answers = ask_as_gateway(given, body_of(secret), body_of(secret, "other/pypi"), recorder=recorder)
    assert [answer.status_code for answer in answers] == [200, 403]
    lines = [vars(record) for record in caplog.records if record.msg == "gateway grant"]
    fields = ("connector", "namespace", "service_account", "gateway", "result", "reason")
    assert [tuple(line[field] for field in fields) for line in lines] == [
        ("team/pypi", "team", "default", "gateway-1", "granted", "Granted"),
        ("other/pypi", "team", "default", "gateway-1", "refused", "AccessDenied"),
    ]
    assert recorder.events == []
    text = everything(caplog)
    assert CANARY not in text
    for part in secret.split("."):
        assert part not in text


def test_a_caller_that_is_no_gateway_has_a_line_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "webhook")
    given = cluster()
    refused(given, own=token(given))
    [line] = [vars(record) for record in caplog.records if record.msg == "gateway grant"]
    fields = ("connector", "namespace", "pod", "service_account", "gateway", "result", "reason")
    expected = ("team/pypi", "team", "job", "default", "", "refused", "GatewayNotAllowed")
    assert tuple(line[field] for field in fields) == expected


class Failing(MemoryCluster):
    def __init__(self, failure: Exception) -> None:
        super().__init__([gateway_pod(), injected(), connector(), login()])
        self._failure = failure

    async def secret(self, namespace: str, name: str) -> SecretManifest | None:
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ClusterUnavailable("no answer"), (503, "ClusterUnavailable")),
        (TimeoutError(), (503, "ClusterUnavailable")),
        (Forbidden("no right"), (403, "SecretForbidden")),
        (RuntimeError(CANARY), (500, "InternalError")),
    ],
)
def test_a_cluster_that_fails_refuses_nobody(
    failure: Exception, expected: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    assert refused(Failing(failure)) == expected
    assert CANARY not in everything(caplog)


def test_a_missing_right_of_the_broker_refuses_nobody() -> None:
    class Lacking(MemoryCluster):
        async def is_allowed(self, *_: Any) -> bool:
            raise Forbidden("subjectaccessreviews is forbidden")

    given = Lacking([gateway_pod(), connector(), login()])
    [answer] = ask_as_gateway(given, body_of(client_token(given, "other")))
    assert problem(answer) == (503, "ClusterRefused")
    assert "subjectaccessreviews" not in answer.text


@pytest.mark.parametrize(
    ("cause", "expected"), [("credential-refused", ["team/pypi"]), ("request-refused", [])]
)
def test_a_connector_whose_registry_does_not_serve_is_doubted(cause: str, expected: list[str]) -> None:
    given = cluster()
    version = granted(given).grant.version
    body = {**body_of(client_token(given)), "rejected": version, "cause": cause}
    doubts: list[str] = []
    ask_as_gateway(given, body, doubt=lambda key: doubts.append(str(key)))
    assert doubts == expected


def test_a_gateways_grant_is_a_sidecars_grant_too() -> None:
    [answer] = ask_as_gateway(cluster())
    assert Grant.parse(answer.content) == GatewayGrant.parse(answer.content).grant
