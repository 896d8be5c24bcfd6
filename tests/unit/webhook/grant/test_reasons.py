"""Reasons of the broker and their statuses: a closed set, each with a status and a place in the docs."""

import pytest

from support.checkout import ROOT
from webhook.grant.reasons import STATUSES, BrokerReason, ViolationReason, status_of

PAGE = ROOT / "docs" / "reasons.md"


def test_every_reason_of_the_broker_has_a_status() -> None:
    assert set(STATUSES) == set(BrokerReason)


@pytest.mark.parametrize("reason", ViolationReason)
def test_a_pod_with_a_violation_is_forbidden(reason: ViolationReason) -> None:
    assert status_of(reason) == 403


def test_a_secret_that_cannot_be_used_forbids_the_grant() -> None:
    assert status_of("SecretNotFound") == 403


def test_a_fault_of_network_or_cluster_has_status_503() -> None:
    """A sidecar ends its grant on any 4xx but 429, so the network and the cluster must answer 5xx."""
    ours = {BrokerReason.BODY_TOO_SLOW, BrokerReason.CLUSTER_UNAVAILABLE, BrokerReason.CLUSTER_REFUSED}
    assert {status_of(reason) for reason in ours} == {503}


def test_no_reason_has_two_meanings() -> None:
    assert not set(BrokerReason) & set(ViolationReason)
    names = [reason.name for kind in (BrokerReason, ViolationReason) for reason in kind]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("reason", BrokerReason)
def test_every_reason_of_the_broker_is_in_the_documentation(reason: BrokerReason) -> None:
    assert f"`{reason}`" in PAGE.read_text()
