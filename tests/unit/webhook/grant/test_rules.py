"""The rules of a grant: the request of a Pod, and the contents of a grant."""

import difflib
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from certs.authority import create_authority
from sidecar.contract.grant import ENFORCES, PackagePolicy
from sidecar.contract.secret import Secret
from support.connectors.grant_facts import (
    KEY,
    PASSWORD,
    WITH_CA,
    annotated,
    ca,
    caller,
    compose,
    connector,
    encode,
    pod,
    secret,
    with_policy,
)
from webhook.connector.registry import Secrets
from webhook.connector.secret import SecretManifest
from webhook.grant import rules
from webhook.identifiers import ConnectorKey


def test_a_terminating_pod_keeps_its_grant() -> None:
    terminating = pod(deletionTimestamp="2026-01-01T00:00:00Z")
    assert rules.check_pod(caller(), terminating) is terminating


# -- the request of a Pod


@pytest.mark.parametrize(
    ("annotations", "targets"),
    [
        ({"connector": "pypi"}, [KEY]),
        ({"connector": " other/a , pypi "}, [ConnectorKey("other", "a")]),
        ({"connector": "pypi", "configurations": "pipconf"}, []),
        ({"connector": "pypi", "publish_connector": "other/up"}, [ConnectorKey("other", "up")]),
        ({"connector": "pypi", "publish_connector": "other/up,pypi"}, [ConnectorKey("other", "up"), KEY]),
    ],
)
def test_the_publish_targets_are_the_first_connector_or_the_publish_connectors(
    annotations: dict[str, str], targets: list[ConnectorKey]
) -> None:
    assert [*rules.find_request(caller(), annotated(**annotations), KEY).publish_targets] == targets


def test_a_publish_connector_counts_as_named() -> None:
    publishing = annotated(connector="other", publish_connector="pypi")
    assert rules.find_request(caller(), publishing, KEY).publish_targets == (KEY,)


def test_a_grant_request_compares_no_annotation_with_known_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pod may have unknown annotations, and may send any number of requests."""

    def compare(*_: object, **__: object) -> list[str]:
        raise AssertionError("the broker looks for names that are similar")

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    unknown = {f"unknown_{number}": "" for number in range(30)}
    assert rules.find_request(caller(), annotated(connector="pypi", **unknown), KEY).keys == (KEY,)


# -- the contents of a grant


def test_a_grant_holds_the_facts_of_connector_and_secrets() -> None:
    authority = create_authority(datetime.now(UTC))
    bundle = authority.certificate + authority.key
    granted = rules.compose(
        connector(
            **WITH_CA,
            addressExtensions=[
                {"name": "upload", "value": "https://up.example/legacy/"},
                {"name": "files", "value": "https://files.example/x"},
            ],
        ),
        Secrets(secret(), ca(**{"ca.crt": encode(bundle)})),
        upload=True,
        broker_ca=[authority.certificate],
    )
    assert granted.credential == ("reader", Secret(PASSWORD))
    assert granted.index_url == "https://registry.example/simple/"
    assert granted.upload_url == "https://up.example/legacy/"
    assert granted.file_origins == ("https://files.example",)
    assert (granted.soft_seconds, granted.hard_seconds) == (300, 3600)
    assert granted.broker_ca == (authority.certificate,)
    assert granted.ca == authority.certificate, "a private key beside the certificates stays in the Secret"
    assert re.fullmatch(r"s-uid\.41/c\.7/3-[0-9a-f]{8}", granted.version)
    assert PASSWORD not in repr(granted)
    assert PASSWORD in repr(granted.document()), "the search would find it"


def test_a_grant_holds_the_connections_that_the_connector_allows() -> None:
    limited = replace(connector(), max_connections=7)
    assert rules.compose(limited, Secrets(secret()), upload=True).max_connections == 7


def test_a_grant_holds_the_packages_that_the_connector_names() -> None:
    restricted = with_policy(denyPackages="evil-*, requestss", allowPackages="team-*\nrequests*")
    granted = rules.compose(restricted, Secrets(secret()), upload=True)
    assert granted.packages == PackagePolicy(str(KEY), ("team-*", "requests*"), ("evil-*", "requestss"))
    assert rules.compose(connector(), Secrets(secret()), upload=True).packages is None


def test_only_a_policy_needs_a_sidecar_that_enforces_it() -> None:
    rules.check_enforced(with_policy(denyPackages="a"), ENFORCES)
    rules.check_enforced(connector(), ())


def test_without_upload_there_is_no_upload_url() -> None:
    assert rules.compose(connector(), Secrets(secret()), upload=False).upload_url is None


def test_an_anonymous_connector_grants_without_a_credential() -> None:
    granted = compose(auth={"name": "basicAuth"})
    assert granted.credential is None
    assert granted.version.startswith("anonymous/3-")


@pytest.mark.parametrize(
    ("access", "is_publish_target", "allowed", "expected"),
    [
        ("readwrite", True, True, True),
        ("read", True, True, False),
        ("readwrite", False, True, False),
        ("readwrite", True, False, False),
    ],
)
def test_an_upload_needs_access_target_and_permission(
    access: str, is_publish_target: bool, allowed: bool, expected: bool
) -> None:
    declared = connector(params=[{"name": "access", "value": access}])
    result = rules.may_upload(declared, is_publish_target=is_publish_target, allowed=allowed)
    assert result is expected


def test_the_version_changes_with_secret_connector_and_ca_and_with_nothing_else() -> None:
    def version(login: SecretManifest, **spec: Any) -> str:
        return compose(login, **spec).version

    base = version(secret())
    assert version(secret()) == base
    assert version(replace(secret(), revision="s-uid.42")) != base
    assert version(secret(), address="https://other.example") != base
    assert version(secret(), params=[{"name": "denyPackages", "value": "a"}]) != base
    without_metadata = [
        secret(metadata={"name": "login"}, stringData={"password": password}) for password in ("a", "a", "b")
    ]
    first, again, other = (version(manifest) for manifest in without_metadata)
    assert first == again != other


def test_a_revision_from_content_is_no_plain_digest_of_the_password() -> None:
    """Logs show versions: a plain digest would let their readers try passwords against it."""
    manifest = secret(metadata={"name": "login"}, data={"password": encode(PASSWORD)})
    for text in (PASSWORD, encode(PASSWORD), "password" + PASSWORD, "password" + encode(PASSWORD)):
        assert hashlib.sha256(text.encode()).hexdigest()[:16] != manifest.revision


def test_a_secret_is_secret_from_the_moment_it_is_read() -> None:
    manifest = secret(stringData={"password": PASSWORD})
    assert PASSWORD not in repr(manifest)
    assert encode(PASSWORD) not in repr(manifest)
    assert manifest.data["password"].reveal() == encode(PASSWORD)
