"""A Connector's Secrets: read once each, and all of their problems at once."""

import asyncio
import base64
from collections.abc import Mapping

import pytest

from support.certificates.authority import ca
from webhook.connector.manifest import Connector, parse_connector
from webhook.connector.registry import RegistryAccess, Secrets, compose_grant, parse_access, read_secrets
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.errors import ClusterRefused, Forbidden, InvalidSecret, Problem


def connector(**spec: object) -> Connector:
    full = {"connectorClassName": "pypi", "address": "https://registry.test", **spec}
    return parse_connector({"metadata": {"namespace": "team", "name": "pypi"}, "spec": full})


def secret(name: str, kind: str, **data: str) -> SecretManifest:
    encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"}
    return parse_secret({"metadata": metadata, "type": kind, "data": encoded})


LOGIN = secret("login", "kubernetes.io/basic-auth", username="robot", password="canary-registry")
CA = secret("ca", "Opaque", ca_crt=ca())
BOTH = connector(auth={"secretRef": {"name": "login"}}, caCertSecretRef={"name": "ca"})


class Reader:
    """Answers by the Secret's name, and notes each question."""

    def __init__(self, answers: Mapping[str, SecretManifest | Exception | None]) -> None:
        self._answers = answers
        self.questions: list[tuple[str, str]] = []

    async def __call__(self, namespace: str, name: str) -> SecretManifest | None:
        self.questions.append((namespace, name))
        answer = self._answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_each_secret_is_read_once() -> None:
    reader = Reader({"login": LOGIN, "ca": CA})
    secrets = asyncio.run(read_secrets(BOTH, reader))
    assert reader.questions == [("team", "login"), ("team", "ca")]
    assert secrets == Secrets(LOGIN, CA)
    assert secrets.revisions == ("uid-login.7", "uid-ca.7")


def test_an_anonymous_connector_needs_no_secret() -> None:
    reader = Reader({})
    assert asyncio.run(read_secrets(connector(), reader)) == Secrets()
    assert reader.questions == []
    assert Secrets().revisions == ("", "")


@pytest.mark.parametrize(("name", "reason"), [("login", "SecretForbidden"), ("ca", "CASecretForbidden")])
def test_a_forbidden_secret_is_a_problem(name: str, reason: str) -> None:
    reader = Reader({"login": LOGIN, "ca": CA, name: Forbidden("no")})
    secrets = asyncio.run(read_secrets(BOTH, reader))
    with pytest.raises(InvalidSecret) as refused:
        parse_access(BOTH, secrets)
    assert [problem.reason for problem in refused.value.problems] == [reason]


def test_other_refusals_are_raised_unless_the_caller_wants_problems() -> None:
    reader = Reader({"login": ClusterRefused("too many requests"), "ca": CA})
    with pytest.raises(ClusterRefused):
        asyncio.run(read_secrets(BOTH, reader))
    secrets = asyncio.run(read_secrets(BOTH, reader, refusals=ClusterRefused))
    assert isinstance(secrets.login, Problem)
    assert secrets.login.reason == "SecretUnreadable"
    assert secrets.login.message == 'secret "login" cannot be read: too many requests'
    assert secrets.revisions == ("", "uid-ca.7")


def test_the_problems_of_both_secrets_are_reported_together() -> None:
    with pytest.raises(InvalidSecret) as refused:
        parse_access(BOTH, Secrets(None, None))
    assert [problem.reason for problem in refused.value.problems] == ["SecretNotFound", "CASecretNotFound"]
    assert "canary" not in str(refused.value)


def test_a_grant_has_all_that_the_sidecar_needs_of_the_connector() -> None:
    params = [{"name": "maxConnections", "value": "7"}, {"name": "denyPackages", "value": "evil"}]
    declared = connector(auth={"secretRef": {"name": "login"}}, caCertSecretRef={"name": "ca"}, params=params)
    access = parse_access(declared, Secrets(LOGIN, CA))
    assert access == RegistryAccess(declared, access.credential, access.ca)
    grant = compose_grant(access, version="v", may_upload=False, soft_seconds=1.0, hard_seconds=2.0)
    assert (grant.credential, grant.ca, grant.upload_url) == (access.credential, access.ca, None)
    assert (grant.max_connections, grant.packages) == (7, declared.packages)
    assert "canary" not in repr(grant)
