"""The rules of a grant: each refusal by its own reason, and what a grant holds."""

import ast
import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.authority import create_authority
from sidecar.contract import ENFORCES, Grant, PackagePolicy, Secret
from webhook import credentials
from webhook import grant_rules as rules
from webhook.connectors import Connector, parse_connector
from webhook.errors import InputError, Problem, Refusal
from webhook.seam import SecretManifest, TokenReview, parse_secret, parse_token_review

PASSWORD = "canary-9d1f-pass"
KEY = "team/pypi"


def status(**changes: Any) -> dict[str, Any]:
    user = {
        "username": "system:serviceaccount:team:builder",
        "uid": "sa-uid",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"],
        "extra": {
            "authentication.kubernetes.io/pod-name": ["job"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid"],
        },
    }
    return {"authenticated": True, "audiences": ["pypi-connector"], "user": user, **changes}


def user(**changes: Any) -> dict[str, Any]:
    return {"user": {**status()["user"], **changes}}


def caller() -> rules.Caller:
    return rules.authenticate(parse_token_review(status()), "pypi-connector")


def pod(uid: str = "pod-uid", phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "job", "namespace": "team", "uid": uid, **metadata},
        "spec": {},
        "status": {"phase": phase},
    }


def annotated(**annotations: str) -> dict[str, Any]:
    prefix = "connectors.alauda.io/"
    return pod(annotations={prefix + key.replace("_", "-"): value for key, value in annotations.items()})


def connector_manifest(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "pypi", "namespace": "team", "generation": 3},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            **spec,
        },
    }


def connector(**spec: Any) -> Connector:
    return parse_connector(connector_manifest(**spec))


def with_policy(**params: str) -> Connector:
    return connector(params=[{"name": name, "value": value} for name, value in params.items()])


def encode(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def secret(**changes: Any) -> SecretManifest:
    manifest = {
        "metadata": {"name": "login", "namespace": "team", "uid": "s-uid", "resourceVersion": "41"},
        "type": "kubernetes.io/basic-auth",
        "data": {"username": encode("reader"), "password": encode(PASSWORD)},
    }
    return parse_secret({**manifest, **changes})


def data(**changes: Any) -> SecretManifest:
    values = {"username": encode("reader"), "password": encode(PASSWORD), **changes}
    return secret(data={key: value for key, value in values.items() if value is not None})


def ca(**values: Any) -> SecretManifest:
    return parse_secret({"metadata": {"name": "ca", "uid": "c", "resourceVersion": "7"}, "data": values})


def authenticate(**changes: Any) -> rules.Caller:
    return rules.authenticate(parse_token_review(status(**changes)), "pypi-connector")


def compose(
    given: SecretManifest | None = None, ca_secret: SecretManifest | None = None, **spec: Any
) -> Grant:
    return rules.compose(connector(**spec), secret=given, ca_secret=ca_secret, upload=True)


WITH_CA = {"caCertSecretRef": {"name": "ca"}}


def fail(refusal: Refusal) -> None:
    raise refusal


REFUSALS: Mapping[str, list[tuple[Callable[[], object], str]]] = {
    "SecretForbidden": [
        (
            lambda: fail(rules.secret_forbidden("team", "login", is_ca=False)),
            "bind the ClusterRole pypi-connector-secret-reader to ServiceAccount",
        )
    ],
    "CASecretForbidden": [
        (lambda: fail(rules.secret_forbidden("team", "ca", is_ca=True)), 'secret "ca" in namespace "team"')
    ],
    "TokenNotAuthenticated": [
        (lambda: authenticate(authenticated=False, error="token has expired"), "token has expired"),
        (lambda: authenticate(authenticated="true"), "not authenticated"),
        (lambda: rules.authenticate(TokenReview(None), "pypi-connector"), "does not accept"),
    ],
    "TokenAudienceMissing": [
        (lambda: authenticate(audiences=["https://kubernetes.default.svc"]), "project one"),
        (lambda: authenticate(audiences=None), "'pypi-connector'"),
    ],
    "TokenNotServiceAccount": [(lambda: authenticate(**user(username="kim")), "'kim' is not a")],
    "TokenNotPodBound": [
        (lambda: authenticate(**user(extra={})), "not bound to a Pod"),
        (
            lambda: authenticate(**user(extra={"authentication.kubernetes.io/pod-name": ["job"]})),
            "not bound to a Pod",
        ),
        (
            lambda: authenticate(
                **user(
                    extra={
                        "authentication.kubernetes.io/pod-name": ["job", "other"],
                        "authentication.kubernetes.io/pod-uid": ["pod-uid"],
                    }
                )
            ),
            "not bound to a Pod",
        ),
    ],
    "PodNotFound": [(lambda: rules.check_pod(caller(), None), "team/job does not exist")],
    "PodRecreated": [(lambda: rules.check_pod(caller(), pod(uid="other")), "created anew")],
    "PodFinished": [
        (lambda: rules.check_pod(caller(), pod(phase="Succeeded")), "Succeeded"),
        (lambda: rules.check_pod(caller(), pod(phase="Failed")), "Failed"),
    ],
    "ConnectorNotNamed": [
        (lambda: rules.find_request(caller(), annotated(), KEY), "connectors.alauda.io/connector"),
        (lambda: rules.find_request(caller(), annotated(connector="other"), KEY), KEY),
        (lambda: rules.find_request(caller(), annotated(connector="other/pypi"), KEY), KEY),
        (lambda: rules.find_request(caller(), annotated(connector="pypi", inject="false"), KEY), KEY),
        (lambda: rules.find_request(caller(), pod(annotations=None), KEY), KEY),
    ],
    "AnnotationInvalid": [
        (lambda: rules.find_request(caller(), annotated(connector="PyPI"), KEY), "in lower case"),
        (lambda: rules.find_request(caller(), annotated(publish_connector="pypi"), KEY), "beside it"),
    ],
    "AccessDenied": [(lambda: rules.check_install(caller(), KEY, allowed=False), "pypi-connector-user")],
    "ConnectorNotFound": [(lambda: rules.find_connector(KEY, None), 'connectors "team/pypi" not found')],
    "ConnectorInvalid": [
        (lambda: rules.find_connector(KEY, connector_manifest(address="ftp://a")), "must begin with https"),
    ],
    "SidecarTooOld": [
        (lambda: rules.check_enforced(with_policy(denyPackages="evil-*"), ()), "create the Pod anew"),
        (
            lambda: rules.check_enforced(with_policy(allowPackages="a"), ["licences"]),
            "Connector team/pypi has",
        ),
    ],
    "SecretNotFound": [(compose, 'secrets "login" not found in namespace "team"')],
    "SecretTypeMismatch": [(lambda: compose(secret(type="Opaque")), "kubernetes.io/basic-auth")],
    "SecretWithoutUsername": [
        (lambda: compose(data(username=None)), 'secret "login" has no key "username"'),
        (lambda: compose(data(username="")), 'has an empty "username"'),
    ],
    "SecretWithoutPassword": [
        (lambda: compose(data(password=None)), 'secret "login" has no key "password"'),
        (lambda: compose(secret(data=None, stringData={"username": "u"})), 'no key "password"'),
    ],
    "SecretNotBase64": [
        (lambda: compose(data(password=PASSWORD)), "plain text belongs under stringData, in quotes"),
        (lambda: compose(data(password=12345)), "in quotes"),
        (lambda: compose(secret(stringData={"password": 12345})), "in quotes"),
    ],
    "SecretNotUTF8": [
        (lambda: compose(data(password=encode(b"\xff" + PASSWORD.encode()))), "not UTF-8"),
        (lambda: compose(secret(stringData={"password": "\ud800" + PASSWORD})), "not UTF-8"),
    ],
    "SecretHasControlCharacter": [
        (lambda: compose(data(password=encode(PASSWORD + "\n"))), "added a newline"),
        (lambda: compose(data(username=encode("a\r\nX: y"))), '"username"'),
    ],
    "SecretUsernameHasColon": [(lambda: compose(data(username=encode("a:b"))), "RFC 7617")],
    "CASecretNotFound": [(lambda: compose(secret(), **WITH_CA), 'secrets "ca" not found')],
    "CASecretWithoutKey": [(lambda: compose(secret(), ca(**{"tls.crt": "x"}), **WITH_CA), 'no key "ca.crt"')],
    "InvalidPEM": [
        (lambda: compose(secret(), ca(**{"ca.crt": encode("text")}), **WITH_CA), "PEM"),
        (lambda: compose(secret(), ca(**{"ca.crt": "%"}), **WITH_CA), "PEM"),
        (
            lambda: compose(
                secret(),
                ca(**{"ca.crt": encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")}),
                **WITH_CA,
            ),
            "PEM",
        ),
    ],
}


@pytest.mark.parametrize(
    ("reason", "act", "sentence"),
    [(reason, act, sentence) for reason, cases in REFUSALS.items() for act, sentence in cases],
)
def test_each_refusal_has_its_own_reason_and_a_sentence(
    reason: str, act: Callable[[], object], sentence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.reason == reason
    assert sentence in caught.value.message
    assert PASSWORD not in repr(caught.value) + caught.value.message
    assert caught.value.status in (401, 403, 404)


def test_every_reason_of_the_sources_is_in_the_table() -> None:
    sources = "".join(Path(str(module.__file__)).read_text() for module in (rules, credentials))
    camel_case = re.compile(r"(?:[A-Z][a-z0-9]*){2,}[A-Z0-9]*")
    texts = {node.value for node in ast.walk(ast.parse(sources)) if isinstance(node, ast.Constant)}
    found = {text for text in texts if isinstance(text, str) and camel_case.fullmatch(text)}
    found = found - {"SecretWithout"} | {"SecretWithoutUsername", "SecretWithoutPassword"}
    assert len(found) > 20
    assert found == set(REFUSALS)


def test_every_reason_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reasons.md").read_text()
    assert [reason for reason in REFUSALS if f"`{reason}`" not in page] == []


def test_violations_refuse_with_the_first_ones_reason_and_all_sentences() -> None:
    with pytest.raises(Refusal, match="one; two") as caught:
        rules.check_isolation(caller(), [Problem("First", "one"), Problem("Second", "two")])
    assert caught.value.reason == "First"


def test_all_problems_of_a_secret_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        credentials.parse_credential(connector(), secret(type="Opaque", data={"username": "%"}))
    reasons = [problem.reason for problem in caught.value.problems]
    assert reasons == ["SecretTypeMismatch", "SecretNotBase64", "SecretWithoutPassword"]


def test_no_cause_of_a_refusal_quotes_what_could_not_be_decoded() -> None:
    with pytest.raises(Refusal) as caught:
        compose(data(password=encode(b"\xff" + PASSWORD.encode())))
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, UnicodeError)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_terminating_pod_keeps_its_grant() -> None:
    found = pod(deletionTimestamp="2026-01-01T00:00:00Z")
    assert rules.check_pod(caller(), found) is found


# -- what a Pod asks for


@pytest.mark.parametrize(
    ("annotations", "target"),
    [
        ({"connector": "pypi"}, KEY),
        ({"connector": " other/a , pypi "}, "other/a"),
        ({"connector": "pypi", "configurations": "pipconf"}, None),
        ({"connector": "pypi", "publish_connector": "other/up"}, "other/up"),
    ],
)
def test_the_publish_target_is_the_first_connector_or_the_one_named_for_it(
    annotations: dict[str, str], target: str | None
) -> None:
    assert rules.find_request(caller(), annotated(**annotations), KEY).publish_target == target


def test_a_connector_that_is_only_published_to_is_named_too() -> None:
    found = annotated(connector="other", publish_connector="pypi")
    assert rules.find_request(caller(), found, KEY).publish_target == KEY


# -- what a grant holds


def test_a_grant_holds_what_the_connector_and_its_secret_say() -> None:
    authority = create_authority(datetime.now(UTC))
    bundle = authority.certificate + authority.key
    found = rules.compose(
        connector(
            **WITH_CA,
            addressExtensions=[
                {"name": "upload", "value": "https://up.example/legacy/"},
                {"name": "files", "value": "https://files.example/x"},
            ],
        ),
        secret=secret(),
        ca_secret=ca(**{"ca.crt": encode(bundle)}),
        upload=True,
        broker_ca=[authority.certificate],
    )
    assert found.credential == ("reader", Secret(PASSWORD))
    assert found.index_url == "https://registry.example/simple/"
    assert found.upload_url == "https://up.example/legacy/"
    assert found.file_origins == ("https://files.example",)
    assert (found.soft_seconds, found.hard_seconds) == (300, 3600)
    assert found.broker_ca == (authority.certificate,)
    assert found.ca == authority.certificate, "a private key beside the certificates stays in the Secret"
    assert re.fullmatch(r"s-uid\.41/c\.7/3-[0-9a-f]{8}", found.version)
    assert PASSWORD not in repr(found)
    assert PASSWORD in repr(found.document()), "the search would find it"


def test_a_grant_holds_the_packages_that_the_connector_names() -> None:
    given = with_policy(denyPackages="evil-*, requestss", allowPackages="team-*\nrequests*")
    found = rules.compose(given, secret=secret(), ca_secret=None, upload=True)
    assert found.packages == PackagePolicy(KEY, ("team-*", "requests*"), ("evil-*", "requestss"))
    assert rules.compose(connector(), secret=secret(), ca_secret=None, upload=True).packages is None


def test_a_policy_is_for_a_sidecar_that_enforces_it_and_none_is_for_every_sidecar() -> None:
    rules.check_enforced(with_policy(denyPackages="a"), ENFORCES)
    rules.check_enforced(connector(), ())


def test_without_upload_there_is_no_upload_url() -> None:
    assert rules.compose(connector(), secret=secret(), ca_secret=None, upload=False).upload_url is None


def test_an_anonymous_connector_grants_without_a_credential() -> None:
    found = compose(auth={"name": "basicAuth"})
    assert found.credential is None
    assert found.version.startswith("anonymous/3-")


@pytest.mark.parametrize(
    ("access", "is_publish_target", "allowed", "expected"),
    [
        ("readwrite", True, True, True),
        ("read", True, True, False),
        ("readwrite", False, True, False),
        ("readwrite", True, False, False),
    ],
)
def test_uploading_takes_all_of_access_target_and_permission(
    access: str, is_publish_target: bool, allowed: bool, expected: bool
) -> None:
    given = connector(params=[{"name": "access", "value": access}])
    found = rules.may_upload(given, is_publish_target=is_publish_target, allowed=allowed)
    assert found is expected


def test_the_version_changes_with_secret_connector_and_ca_and_with_nothing_else() -> None:
    def version(given: SecretManifest, **spec: Any) -> str:
        return compose(given, **spec).version

    base = version(secret())
    assert version(secret()) == base
    assert version(replace(secret(), revision="s-uid.42")) != base
    assert version(secret(), address="https://other.example") != base
    assert version(secret(), params=[{"name": "denyPackages", "value": "a"}]) != base
    without_metadata = [
        secret(metadata={"name": "login"}, stringData={"password": password}) for password in ("a", "a", "b")
    ]
    first, again, other = (version(one) for one in without_metadata)
    assert first == again != other


def test_a_revision_from_content_is_no_plain_digest_of_the_password() -> None:
    """A version stands in logs: a plain digest would let anyone try passwords against it."""
    given = secret(metadata={"name": "login"}, data={"password": encode(PASSWORD)})
    for text in (PASSWORD, encode(PASSWORD), "password" + PASSWORD, "password" + encode(PASSWORD)):
        assert hashlib.sha256(text.encode()).hexdigest()[:16] != given.revision


def test_a_secret_is_secret_from_the_moment_it_is_read() -> None:
    given = secret(stringData={"password": PASSWORD})
    assert PASSWORD not in repr(given)
    assert encode(PASSWORD) not in repr(given)
    assert given.data["password"].reveal() == encode(PASSWORD)
