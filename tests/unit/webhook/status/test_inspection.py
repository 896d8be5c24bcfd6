"""The inspection of a Connector and its Secrets, for each answer of the API server."""

import asyncio
import base64
from typing import Any

import pytest

from support.certificates.authority import ca
from webhook.connector.secret import SecretManifest, parse_secret
from webhook.errors import ClusterRefused, ClusterUnavailable, Forbidden
from webhook.status.inspection import Inspection, inspect
from webhook.status.reported import Versions

Answer = SecretManifest | Exception | None


def secret(name: str, kind: str, **data: str) -> SecretManifest:
    encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"}
    return parse_secret({"metadata": metadata, "type": kind, "data": encoded})


LOGIN = secret("login", "kubernetes.io/basic-auth", username="robot", password="canary-inspected")
CA = secret("ca", "Opaque", ca_crt=ca())
BOTH = {"auth": {"secretRef": {"name": "login"}}, "caCertSecretRef": {"name": "ca"}}


def inspected(*, login: Answer = LOGIN, bundle: Answer = CA, **spec: Any) -> Inspection:
    manifest = {
        "metadata": {"namespace": "team", "name": "pypi"},
        "spec": {"connectorClassName": "pypi", "address": "https://registry.test", **spec},
    }

    async def read(namespace: str, name: str) -> SecretManifest | None:
        assert namespace == "team"
        answer = {"login": login, "ca": bundle}[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    inspection = asyncio.run(inspect(manifest, read))
    assert "canary" not in repr(inspection)
    return inspection


def reasons(inspection: Inspection) -> list[str]:
    return [problem.reason for problem in inspection.problems]


def test_usable_secrets_are_returned_with_their_versions() -> None:
    inspection = inspected(**BOTH)
    assert inspection.registry
    assert inspection.registry.credential
    assert inspection.registry.credential.username == "robot"
    assert inspection.registry.ca
    assert inspection.versions == Versions("uid-login.7", "uid-ca.7")
    assert (inspection.has_secret, inspection.has_ca) == (True, True)


def test_a_secret_of_one_half_has_a_warning() -> None:
    half = secret("login", "kubernetes.io/basic-auth", username="canary-token")
    inspection = inspected(login=half, **BOTH)
    assert inspection.problems == ()
    assert inspection.secret_warning
    assert inspection.secret_warning.reason == "SecretWithoutPassword"
    assert inspected(**BOTH).secret_warning is None


def test_an_anonymous_connector_reads_no_secret() -> None:
    inspection = inspected(login=ZeroDivisionError(), bundle=ZeroDivisionError())
    assert inspection.registry
    assert inspection.registry.credential is None
    assert inspection.versions == Versions("", "")
    assert (inspection.has_secret, inspection.has_ca) == (False, False)


@pytest.mark.parametrize(
    ("inspection", "expected"),
    [
        (inspected(login=None, **BOTH), ["SecretNotFound"]),
        (inspected(bundle=None, **BOTH), ["CASecretNotFound"]),
        (inspected(login=None, bundle=None, **BOTH), ["SecretNotFound", "CASecretNotFound"]),
        (inspected(login=Forbidden("no"), **BOTH), ["SecretForbidden"]),
        (inspected(bundle=Forbidden("no"), **BOTH), ["CASecretForbidden"]),
        (inspected(login=ClusterRefused("400"), **BOTH), ["SecretUnreadable"]),
        (inspected(bundle=ClusterRefused("400"), **BOTH), ["CASecretUnreadable"]),
        (inspected(connectorClassName="npm"), ["ConnectorClassNotFound"]),
        (inspected(address="ftp://x"), ["InvalidAddress"]),
    ],
)
def test_all_problems_are_reported_and_no_registry_is_probed(
    inspection: Inspection, expected: list[str]
) -> None:
    assert reasons(inspection) == expected
    assert inspection.registry is None


def test_a_connector_that_cannot_be_read_says_nothing_of_its_secrets() -> None:
    inspection = inspected(address="ftp://x", **BOTH)
    assert (inspection.has_secret, inspection.has_ca) == (None, None)
    assert inspection.versions == Versions("", "")


def test_an_api_server_that_does_not_answer_is_no_fault_of_the_connector() -> None:
    with pytest.raises(ClusterUnavailable):
        inspected(login=ClusterUnavailable("503"), **BOTH)
