"""The rules of a grant: each refusal by its own reason, with a sentence that quotes no secret."""

from collections.abc import Callable, Mapping

import pytest

from support.checkout import ROOT
from support.connectors.grant_facts import (
    KEY,
    PASSWORD,
    WITH_CA,
    annotated,
    authenticate,
    authenticate_client,
    ca,
    caller,
    caller_of,
    compose,
    connector,
    connector_manifest,
    data,
    encode,
    pod,
    secret,
    user,
    with_policy,
)
from webhook.connector import credentials
from webhook.connector.conditions import CA_CERT, REASONS, SECRET
from webhook.connector.credentials import secret_forbidden
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InputError, Problem, Refusal
from webhook.grant import gateway_rules, rules
from webhook.grant.cluster import TokenReview
from webhook.grant.reasons import BrokerReason, status_of


def refuse_as_gateway(reason: str) -> None:
    raise gateway_rules.as_gateways(Refusal(reason, "x"))


REFUSALS: Mapping[str, list[tuple[Callable[[], object], str]]] = {
    "SecretForbidden": [
        (
            lambda: compose(secret_forbidden("team", "login", is_ca=False)),
            "bind the ClusterRole pypi-connector-secret-reader to ServiceAccount",
        )
    ],
    "CASecretForbidden": [
        (
            lambda: compose(secret(), secret_forbidden("team", "ca", is_ca=True), **WITH_CA),
            'secret "ca" in namespace "team"',
        )
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
        (lambda: rules.find_request(caller(), annotated(connector="other"), KEY), str(KEY)),
        (lambda: rules.find_request(caller(), annotated(connector="other/pypi"), KEY), str(KEY)),
        (lambda: rules.find_request(caller(), annotated(connector="pypi", inject="false"), KEY), str(KEY)),
        (lambda: rules.find_request(caller(), pod(annotations=None), KEY), str(KEY)),
    ],
    "AnnotationInvalid": [
        (lambda: rules.find_request(caller(), annotated(connector="PyPI"), KEY), "in lower case"),
        (lambda: rules.find_request(caller(), annotated(publish_connector="pypi"), KEY), "beside it"),
    ],
    "AccessDenied": [(lambda: rules.check_install(caller(), KEY, allowed=False), "pypi-connector-user")],
    "ConnectorNotFound": [(lambda: rules.check_connector(KEY, None), 'connectors "team/pypi" not found')],
    "ConnectorInvalid": [
        (lambda: rules.check_connector(KEY, connector_manifest(address="ftp://a")), "must begin with https"),
    ],
    "SidecarTooOld": [
        (lambda: rules.check_enforced(with_policy(denyPackages="evil-*"), ()), "create the Pod anew"),
        (
            lambda: rules.check_enforced(with_policy(allowPackages="a"), ["licences"]),
            "Connector team/pypi has",
        ),
    ],
    "ClientTokenNotAuthenticated": [
        (lambda: authenticate_client(authenticated=False, error="expired"), "client's token: expired"),
        (lambda: authenticate_client(authenticated="true"), "kubectl create token"),
        (lambda: gateway_rules.check_life(1000.0, 1000.0), "has expired"),
        (lambda: gateway_rules.check_life(None, 1000.0), "has expired"),
    ],
    "ClientTokenAudienceMissing": [
        (lambda: authenticate_client(audiences=["pypi-connector"]), "pypi-connector-gateway"),
        (lambda: authenticate_client(audiences=[]), "pypi-connector-gateway"),
        (lambda: authenticate_client(audiences=None), "pypi-connector-gateway"),
    ],
    "ClientTokenNotServiceAccount": [
        (lambda: authenticate_client(**user(username="jane")), "of 'jane', is not a ServiceAccount's"),
        (
            lambda: authenticate_client(**user(username="system:serviceaccount:team")),
            "not a ServiceAccount's",
        ),
    ],
    "GatewayTokenRefused": [
        (lambda: refuse_as_gateway("TokenMissing"), "the gateway itself: x"),
        (lambda: refuse_as_gateway("TokenNotPodBound"), "the gateway itself: x"),
    ],
    "GatewayPodGone": [(lambda: refuse_as_gateway("PodFinished"), "the gateway itself")],
    "GatewayNotAllowed": [
        (lambda: gateway_rules.check_gateway(caller(), "pypi-connector-system"), "team/builder is not"),
        (
            lambda: gateway_rules.check_gateway(caller_of("team"), "pypi-connector-system"),
            "team/pypi-connector-gateway is",
        ),
        (
            lambda: gateway_rules.check_gateway(caller_of("elsewhere", "default"), "elsewhere"),
            "elsewhere/default is not",
        ),
    ],
    "GatewayTooOld": [
        (lambda: gateway_rules.check_enforced(with_policy(denyPackages="evil-*"), ()), "roll the Deployment"),
    ],
    "SecretNotFound": [(compose, 'secrets "login" not found in namespace "team"')],
    "SecretTypeMismatch": [(lambda: compose(secret(type="Opaque")), "kubernetes.io/basic-auth")],
    "SecretEmpty": [
        (lambda: compose(data(username=None, password=None)), 'neither a "username" nor a "password"'),
        (lambda: compose(data(username="", password="")), "leave out spec.auth"),
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
    assert status_of(caught.value.reason) in (401, 403, 404)


OF_THE_EDGE = {
    BrokerReason.TOKEN_MISSING,
    BrokerReason.TOKEN_MALFORMED,
    BrokerReason.UNSUPPORTED_MEDIA_TYPE,
    BrokerReason.BODY_TOO_LARGE,
    BrokerReason.BODY_TOO_SLOW,
    BrokerReason.BODY_MALFORMED,
    BrokerReason.TOO_MANY_FAILED_TOKENS,
    BrokerReason.TOO_MANY_REFUSALS,
    BrokerReason.CLUSTER_UNAVAILABLE,
    BrokerReason.CLUSTER_REFUSED,
    BrokerReason.INTERNAL_ERROR,
}
"""Reasons of no rule: `test_broker`, `test_broker_refusals` and `test_reception` meet them"""


def test_every_reason_of_a_rule_is_in_the_table() -> None:
    # a Connector is refused as a whole, and a Secret that cannot be read by other causes is no refusal
    of_secrets = REASONS[SECRET] | REASONS[CA_CERT]
    of_secrets -= {
        ConnectorReason.INVALID_AUTH,
        ConnectorReason.FOREIGN_SECRET,
        ConnectorReason.SECRET_REQUIRED,
    }
    of_secrets -= {ConnectorReason.SECRET_UNREADABLE, ConnectorReason.CA_SECRET_UNREADABLE}
    assert set(REFUSALS) == (set(BrokerReason) - OF_THE_EDGE) | of_secrets


def test_every_reason_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text()
    assert [reason for reason in REFUSALS if f"`{reason}`" not in page] == []


def test_violations_refuse_with_the_first_reason_and_all_sentences() -> None:
    with pytest.raises(Refusal, match="one; two") as caught:
        rules.check_isolation(caller(), [Problem("First", "one"), Problem("Second", "two")])
    assert caught.value.reason == "First"


def test_all_problems_of_a_secret_are_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        credentials.parse_credential(
            connector(), secret(type="Opaque", data={"username": "%", "password": encode("\n")})
        )
    reasons = [problem.reason for problem in caught.value.problems]
    assert reasons == ["SecretTypeMismatch", "SecretNotBase64", "SecretHasControlCharacter"]


def test_no_cause_of_a_refusal_quotes_undecodable_text() -> None:
    with pytest.raises(Refusal) as caught:
        compose(data(password=encode(b"\xff" + PASSWORD.encode())))
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, UnicodeError)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
