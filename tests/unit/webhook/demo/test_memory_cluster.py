"""The cluster in memory, which answers as a real cluster does."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from sidecar.contract.secret import Secret
from webhook.demo.memory_cluster import MemoryCluster
from webhook.grant.cluster import TokenIdentity

AUDIENCE = "pypi-connector"
POD = {"kind": "Pod", "metadata": {"name": "job", "namespace": "team", "uid": "pod-uid"}, "spec": {}}


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def cluster(*manifests: Mapping[str, Any], clock: Clock | None = None) -> MemoryCluster:
    return MemoryCluster([POD, *manifests], clock=clock or Clock())


def claims(token: Secret) -> dict[str, Any]:
    return jwt.decode(token.reveal(), options={"verify_signature": False})


def test_a_token_carries_the_claims_of_kubernetes() -> None:
    pod = {**POD, "spec": {"serviceAccountName": "builder", "nodeName": "node-1"}}
    account = {
        "kind": "ServiceAccount",
        "metadata": {"name": "builder", "namespace": "team", "uid": "sa-uid"},
    }
    result = claims(cluster(pod, account).issue_token("team", "job", AUDIENCE, life_seconds=600))
    assert set(result) == {"iss", "aud", "exp", "iat", "nbf", "sub", "jti", "kubernetes.io"}
    assert result["aud"] == [AUDIENCE]
    assert result["exp"] - result["iat"] == 600
    assert result["sub"] == "system:serviceaccount:team:builder"
    private = result["kubernetes.io"]
    assert private["namespace"] == "team"
    assert private["pod"] == {"name": "job", "uid": "pod-uid"}
    assert private["serviceaccount"] == {"name": "builder", "uid": "sa-uid"}
    assert private["node"]["name"] == "node-1"


def test_a_review_names_the_pod_and_the_service_account() -> None:
    memory_cluster = cluster()
    review = asyncio.run(
        memory_cluster.review_token(memory_cluster.issue_token("team", "job", AUDIENCE), AUDIENCE)
    )
    assert review.identity
    assert review.identity.username == "system:serviceaccount:team:default"
    assert (review.identity.namespace, review.identity.service_account) == ("team", "default")
    assert (review.identity.pod_name, review.identity.pod_uid) == ("job", "pod-uid")
    assert review.identity.audiences == (AUDIENCE,)
    assert "system:serviceaccounts:team" in review.identity.groups
    assert review.identity.extra["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


def test_a_token_without_a_pod_is_authenticated_but_not_bound() -> None:
    memory_cluster = cluster()
    token = memory_cluster.issue_unbound_token("team", "default", AUDIENCE)
    review = asyncio.run(memory_cluster.review_token(token, AUDIENCE))
    assert review.identity
    assert review.identity.pod_name is None


def altered(token: Secret, part: int, change: Mapping[str, Any]) -> Secret:
    parts = token.reveal().split(".")
    padded = parts[part] + "=" * (-len(parts[part]) % 4)
    fields = {**json.loads(base64.urlsafe_b64decode(padded)), **change}
    parts[part] = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
    return Secret(".".join(parts))


def test_a_token_that_is_not_valid_is_refused_in_the_api_servers_words() -> None:
    clock = Clock()
    memory_cluster = cluster(clock=clock)
    good = memory_cluster.issue_token("team", "job", AUDIENCE)
    unsigned = jwt.encode(claims(good), None, algorithm="none")
    symmetric = jwt.encode(claims(good), "k" * 32, algorithm="HS256")
    foreign = cluster().issue_token("team", "job", AUDIENCE)

    def error(token: Secret | str, audience: str = AUDIENCE) -> str:
        secret = token if isinstance(token, Secret) else Secret(token)
        review = asyncio.run(memory_cluster.review_token(secret, audience))
        assert review.identity is None
        assert secret.reveal() not in repr(review)
        return review.error

    audiences = 'token audiences ["pypi-connector"] is invalid for the target audiences ["other"]'
    assert error(good, "other") == audiences
    for token in (unsigned, symmetric, foreign, "no-token", "a.b.c", altered(good, 1, {"sub": "x"})):
        assert re.match("invalid bearer token", error(token))
    clock.now -= 60
    assert error(good) == "service account token is not valid yet"
    clock.now += 60 + 3600
    assert error(good) == "service account token has expired"


def test_a_token_ends_with_its_pod() -> None:
    memory_cluster = cluster()
    token = memory_cluster.issue_token("team", "job", AUDIENCE)
    memory_cluster.delete("Pod", "team", "job")
    assert (
        asyncio.run(memory_cluster.review_token(token, AUDIENCE)).error
        == "service account token has been invalidated"
    )
    memory_cluster.apply({**POD, "metadata": {**POD["metadata"], "uid": "second"}})
    error = asyncio.run(memory_cluster.review_token(token, AUDIENCE)).error
    assert error == "pod UID (second) does not match claim (pod-uid)"


def test_an_object_gets_the_fields_of_the_api_server_and_a_stable_uid() -> None:
    memory_cluster = cluster()
    manifest = {"kind": "Connector", "metadata": {"name": "pypi"}, "spec": {"address": "a"}}
    first = dict(memory_cluster.apply(manifest)["metadata"])
    same = dict(memory_cluster.apply(manifest)["metadata"])
    changed = dict(memory_cluster.apply({**manifest, "spec": {"address": "b"}})["metadata"])
    assert first["namespace"] == "default"
    assert first["uid"] == same["uid"] == changed["uid"]
    assert len({metadata["resourceVersion"] for metadata in (first, same, changed)}) == 3
    assert [metadata["generation"] for metadata in (first, same, changed)] == [1, 1, 2]
    assert "uid" not in manifest["metadata"]


def test_secrets_are_read_from_data_and_string_data() -> None:
    encoded = base64.b64encode(b"x").decode()
    manifest = {
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "team"},
        "type": "kubernetes.io/basic-auth",
        "data": {"username": encoded, "password": encoded},
        "stringData": {"password": "canary-17"},
    }
    result = asyncio.run(cluster(manifest).secret("team", "s"))
    assert result
    assert result.data["username"].reveal() == encoded
    assert base64.b64decode(result.data["password"].reveal()) == b"canary-17"
    assert asyncio.run(cluster().secret("team", "s")) is None


# -- RBAC

IDENTITY = TokenIdentity(
    username="system:serviceaccount:team:builder",
    uid="u",
    groups=("system:serviceaccounts:team",),
    audiences=(AUDIENCE,),
    namespace="team",
    service_account="builder",
    pod_name="job",
    pod_uid="pod-uid",
)
ROLE = {
    "kind": "ClusterRole",
    "metadata": {"name": "user"},
    "rules": [
        {"apiGroups": ["connectors.alauda.io"], "resources": ["connectors/proxy"], "verbs": ["get"]},
    ],
}
ACCOUNT = {"kind": "ServiceAccount", "name": "builder", "namespace": "team"}


def binding(subject: Mapping[str, Any], namespace: str = "shared", **role: str) -> dict[str, Any]:
    return {
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": namespace},
        "subjects": [subject],
        "roleRef": {"kind": "ClusterRole", "name": "user", **role},
    }


def rule(**changes: list[str]) -> dict[str, Any]:
    return {**ROLE, "rules": [{**ROLE["rules"][0], **changes}]}


@pytest.mark.parametrize(
    ("manifests", "expected"),
    [
        ([], False),
        ([ROLE, binding(ACCOUNT)], True),
        ([ROLE, {**binding(ACCOUNT), "kind": "ClusterRoleBinding"}], True),
        ([ROLE, binding(ACCOUNT, "team")], False),
        ([ROLE, binding({**ACCOUNT, "name": "other"})], False),
        ([ROLE, binding({"kind": "Group", "name": "system:serviceaccounts:team"})], True),
        ([ROLE, binding({"kind": "Group", "name": "system:serviceaccounts:other"})], False),
        ([ROLE, binding({"kind": "User", "name": IDENTITY.username})], True),
        ([binding(ACCOUNT)], False),
        ([{**ROLE, "kind": "Role"}, binding(ACCOUNT)], False),
        (
            [
                {**ROLE, "kind": "Role", "metadata": {"name": "user", "namespace": "shared"}},
                binding(ACCOUNT, kind="Role"),
            ],
            True,
        ),
        (
            [
                {**ROLE, "kind": "Role", "metadata": {"name": "user", "namespace": "team"}},
                binding(ACCOUNT, kind="Role"),
            ],
            False,
        ),
        ([rule(verbs=["create"]), binding(ACCOUNT)], False),
        ([rule(verbs=["*"]), binding(ACCOUNT)], True),
        ([rule(resources=["connectors"]), binding(ACCOUNT)], False),
        ([rule(resources=["*"], apiGroups=["*"]), binding(ACCOUNT)], True),
        ([rule(apiGroups=[""]), binding(ACCOUNT)], False),
        ([rule(resourceNames=["pypi"]), binding(ACCOUNT)], True),
        ([rule(resourceNames=["other"]), binding(ACCOUNT)], False),
    ],
)
def test_access_follows_the_role_bindings(manifests: list[Mapping[str, Any]], expected: bool) -> None:
    result = asyncio.run(cluster(*manifests).is_allowed(IDENTITY, "get", "shared", "pypi"))
    assert result is expected
