"""The rules of a grant through a gateway, where they pass. Their refusals: `test_rule_refusals`."""

import pytest

from support.connectors.grant_facts import (
    authenticate_client,
    caller_of,
    connector,
    secret,
    user,
    with_policy,
)
from webhook.connector.registry import Secrets
from webhook.errors import Refusal
from webhook.grant import gateway_rules, rules
from webhook.grant.reasons import BrokerReason, status_of

OF_TOKEN_OR_POD = [reason for reason in BrokerReason if reason.startswith(("Token", "Pod"))]


def test_a_client_needs_no_pod() -> None:
    client = authenticate_client(**user(extra={}))
    assert (client.namespace, client.service_account) == ("team", "builder")
    assert client.identity.groups[1] == "system:serviceaccounts:team"


def test_the_gateway_is_a_service_account_of_the_products_own_namespace() -> None:
    gateway_rules.check_gateway(caller_of("pypi-connector-system"), "pypi-connector-system")
    gateway_rules.check_gateway(caller_of("elsewhere"), "elsewhere")


@pytest.mark.parametrize("reason", OF_TOKEN_OR_POD)
def test_a_fault_of_the_gateway_is_told_from_one_of_its_client(reason: BrokerReason) -> None:
    refusal = gateway_rules.as_gateways(Refusal(reason, "x"))
    assert refusal.reason.startswith("Gateway")
    assert status_of(refusal.reason) == 403


@pytest.mark.parametrize("reason", ["TooManyFailedTokens", "TooManyRefusals", "BodyMalformed", "BodyTooSlow"])
def test_other_refusals_stay_as_they_are(reason: str) -> None:
    refusal = Refusal(reason, "x")
    assert gateway_rules.as_gateways(refusal) is refusal


def test_a_gateway_that_enforces_the_policy_passes() -> None:
    gateway_rules.check_enforced(with_policy(denyPackages="evil-*"), ["packages"])
    gateway_rules.check_enforced(connector(), ())


@pytest.mark.parametrize(
    ("remaining", "lives"),
    [(7200.0, (300.0, 3600.0)), (1800.0, (300.0, 1800.0)), (60.5, (60.5, 60.5)), (0.1, (0.1, 0.1))],
)
def test_no_grant_outlives_the_clients_token(remaining: float, lives: tuple[float, float]) -> None:
    granted = rules.compose(connector(), Secrets(secret(), None), upload=False)
    issued = gateway_rules.compose(granted, authenticate_client(), remaining)
    assert (issued.grant.soft_seconds, issued.grant.hard_seconds) == lives
    assert issued.expires_seconds == remaining
    assert issued.client == "team/builder"


def test_the_rest_of_a_life_is_counted_from_now() -> None:
    assert gateway_rules.check_life(1600.0, 1000.0) == 600.0
