"""The broker over HTTP: its refusals and their reasons. Every broken input has its answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.contract.grant import Grant, grant_request
from support.components.broker_requests import (
    AUDIENCE,
    CANARY,
    SETTINGS,
    ask,
    cluster,
    connector,
    injected,
    login,
    problem,
    request,
    token,
)
from webhook.demo.memory_cluster import MemoryCluster
from webhook.server import grant_reading
from webhook.server.broker import create_app

# -- access


ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "team"}


def allow(namespace: str, *verbs: str) -> list[dict[str, Any]]:
    rule = {"apiGroups": ["connectors.alauda.io"], "resources": ["connectors/proxy"], "verbs": list(verbs)}
    return [
        {"kind": "ClusterRole", "metadata": {"name": "user"}, "rules": [rule]},
        {
            "kind": "RoleBinding",
            "metadata": {"name": "b", "namespace": namespace},
            "subjects": [ACCOUNT],
            "roleRef": {"kind": "ClusterRole", "name": "user"},
        },
    ]


@pytest.mark.parametrize(
    ("verbs", "granted", "upload"),
    [
        ((), False, False),
        (("get",), True, False),
        (("get", "create"), True, True),
        (("create",), False, False),
    ],
)
@pytest.mark.parametrize("place", ["another namespace", "the same namespace under rbac"])
def test_an_access_review_decides_where_it_applies(
    place: str, verbs: tuple[str, ...], granted: bool, upload: bool
) -> None:
    if place == "another namespace":
        key, extra = "shared/pypi", [connector(namespace="shared"), login("shared")]
    else:
        key, extra = "team/pypi", [connector(authorization="rbac")]
    memory_cluster = cluster(*extra, *allow(key.split("/")[0], *verbs), pod=injected(connector=key))
    response = ask(memory_cluster, key=key)
    if granted:
        assert (Grant.parse(response.content).upload_url is not None) is upload
    else:
        assert problem(response) == (403, "AccessDenied")


def test_a_caller_without_access_does_not_learn_whether_a_connector_exists() -> None:
    memory_cluster = cluster(pod=injected(connector="shared/nothing"))
    assert problem(ask(memory_cluster, key="shared/nothing")) == (403, "AccessDenied")
    memory_cluster = cluster(*allow("shared", "get"), pod=injected(connector="shared/nothing"))
    assert problem(ask(memory_cluster, key="shared/nothing")) == (404, "ConnectorNotFound")


# -- refusals


def edited(**status: Any) -> dict[str, Any]:
    return {**injected(), **status}


def with_evil_image() -> dict[str, Any]:
    pod = injected()
    pod["spec"]["initContainers"][0]["image"] = "evil"
    return pod


@pytest.mark.parametrize(
    ("make", "key", "expected"),
    [
        (lambda: cluster(pod=edited(status={"phase": "Succeeded"})), "team/pypi", (403, "PodFinished")),
        (lambda: cluster(pod=injected(connector="other")), "team/pypi", (403, "ConnectorNotNamed")),
        (lambda: cluster(pod=with_evil_image()), "team/pypi", (403, "SidecarImage")),
        (lambda: cluster(pod=injected(connector="gone")), "team/gone", (404, "ConnectorNotFound")),
        (lambda: cluster(connector(access="all")), "team/pypi", (403, "ConnectorInvalid")),
        (lambda: cluster({**login(), "type": "Opaque"}), "team/pypi", (403, "SecretTypeMismatch")),
        (lambda: cluster(login(password=CANARY + "\n")), "team/pypi", (403, "SecretHasControlCharacter")),
        (
            lambda: MemoryCluster([injected(), connector()]),
            "team/pypi",
            (403, "SecretNotFound"),
        ),
    ],
)
def test_a_refusal_is_a_problem_document(
    make: Callable[[], MemoryCluster], key: str, expected: tuple[int, str]
) -> None:
    assert problem(ask(make(), key=key)) == expected


def test_a_token_that_is_not_valid_is_401() -> None:
    memory_cluster = cluster()
    foreign = memory_cluster.issue_token("team", "job", "https://kubernetes.default.svc").reveal()
    unbound = memory_cluster.issue_unbound_token("team", "default", AUDIENCE).reveal()
    response = request(memory_cluster, bearer=foreign)
    assert problem(response) == (401, "TokenNotAuthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert problem(request(memory_cluster, bearer=unbound)) == (403, "TokenNotPodBound")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "TokenMissing"),
        ({"Authorization": "Basic dTpw"}, "TokenMalformed"),
        ({"Authorization": "Bearer"}, "TokenMalformed"),
        ({"Authorization": "Bearer not-a-jwt"}, "TokenMalformed"),
        ({"Authorization": "Bearer a.b.c d"}, "TokenMalformed"),
        ([("Authorization", "Bearer a.b.c"), ("Authorization", "Bearer a.b.c")], "TokenMalformed"),
    ],
)
def test_a_missing_or_malformed_bearer_is_401(headers: Any, reason: str) -> None:
    response = request(cluster(), headers=headers)
    assert problem(response) == (401, reason)
    assert response.headers["WWW-Authenticate"] == "Bearer"


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "BodyMalformed"),
        (b"{", 400, "BodyMalformed"),
        (b"\xff\xfe", 400, "BodyMalformed"),
        (b"[" * 4000, 400, "BodyMalformed"),
        (b"[]", 400, "BodyMalformed"),
        (b"null", 400, "BodyMalformed"),
        (b"{}", 400, "BodyMalformed"),
        (b'{"connector": null}', 400, "BodyMalformed"),
        (b'{"connector": "pypi"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi/x"}', 400, "BodyMalformed"),
        (b'{"connector": "../pypi"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi\\n"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "rejected": 1}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "rejected": "1", "cause": ["a"]}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": "packages"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": null}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": [1]}', 400, "BodyMalformed"),
        (b" " * 4097, 413, "BodyTooLarge"),
    ],
)
def test_a_broken_body_has_its_answer(content: bytes, status: int, reason: str) -> None:
    memory_cluster = cluster()
    headers = {"Authorization": f"Bearer {token(memory_cluster)}", **JSON}
    assert problem(request(memory_cluster, content=content, headers=headers)) == (status, reason)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_415(kind: str | None) -> None:
    memory_cluster = cluster()
    headers = {"Authorization": f"Bearer {token(memory_cluster)}", **({"Content-Type": kind} if kind else {})}
    response = request(memory_cluster, content=b'{"connector": "team/pypi"}', headers=headers)
    assert problem(response) == (415, "UnsupportedMediaType")


def test_fields_of_a_later_sidecar_are_ignored() -> None:
    assert ask(cluster(), json={"connector": "team/pypi", "novelty": [1]}).status_code == 200


def test_a_sidecar_that_enforces_the_policy_gets_it() -> None:
    memory_cluster = cluster(connector(denyPackages="evil-*"))
    answer = ask(memory_cluster, json=grant_request("team/pypi", None))
    policy = {"connector": "team/pypi", "allow": [], "deny": ["evil-*"]}
    assert (answer.status_code, answer.json()["packages"]) == (200, policy)


def test_a_sidecar_of_an_earlier_release_gets_no_grant_that_it_would_enforce_only_in_part() -> None:
    """It does not list the rules that it enforces, and ignores a policy in its grant."""
    answer = ask(cluster(connector(denyPackages="evil-*")))
    assert problem(answer) == (403, "SidecarTooOld")
    assert "create the Pod anew" in answer.json()["detail"]
    assert CANARY not in answer.text
    without = ask(cluster())
    assert (without.status_code, without.json().get("packages")) == (200, None)


def test_the_age_of_a_sidecar_is_checked_after_its_rights() -> None:
    """A caller that may not use a Connector learns nothing about it."""
    answer = ask(cluster(connector(denyPackages="evil-*", authorization="rbac")))
    assert problem(answer) == (403, "AccessDenied")


def test_other_paths_and_methods_are_problem_documents_too() -> None:
    memory_cluster = cluster()
    assert problem(request(memory_cluster, url="/v2/grants")) == (404, "NotFound")
    response = request(memory_cluster, method="GET")
    assert problem(response) == (405, "MethodNotAllowed")
    assert response.headers["Allow"] == "POST"
    assert problem(request(memory_cluster, url="/docs", method="GET")) == (404, "NotFound")


def test_a_body_that_does_not_arrive_is_503_for_a_4xx_would_end_the_grant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grant_reading, "BODY_SECONDS", 0.01)

    async def stall() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    memory_cluster = cluster()
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        headers = [
            (b"authorization", f"Bearer {token(memory_cluster)}".encode()),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/grants",
            "headers": headers,
            "query_string": b"",
        }
        await create_app(lambda: SETTINGS, memory_cluster)(scope, stall, send)

    asyncio.run(run())
    assert sent[0]["status"] == 503
