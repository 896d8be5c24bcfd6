"""Fields of the contract that came later: what each side does with one of an earlier release."""

import json
from typing import Any

import pytest

from sidecar.contract.errors import ContractError
from sidecar.contract.grant import MAX_CONNECTIONS, Grant, grant_request
from sidecar.contract.words import CAUSES, Code
from support.sidecars.grant_stores import grant

GRANT = grant("canary-skew")


def test_a_sidecar_says_why_it_asks_for_a_newer_grant() -> None:
    assert grant_request("team/pypi", "v1", Code.CREDENTIAL_RESTS)["cause"] == Code.CREDENTIAL_RESTS
    assert Code.CREDENTIAL_RESTS in CAUSES


def test_without_a_cause_it_asks_as_an_earlier_release_asked() -> None:
    assert grant_request("team/pypi", None) == grant_request("team/pypi", None, None)
    assert "cause" not in grant_request("team/pypi", None)


def test_a_broker_that_knows_no_bound_of_connections_leaves_the_sidecar_its_own() -> None:
    document = GRANT.document()
    del document["maxConnections"]
    assert Grant.parse(json.dumps(document)).max_connections == MAX_CONNECTIONS
    assert Grant.parse(json.dumps(GRANT._replace(max_connections=7).document())).max_connections == 7


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "8", None])
def test_a_bound_that_is_no_count_is_never_taken_for_none(count: Any) -> None:
    document = {**GRANT.document(), "maxConnections": count}
    with pytest.raises(ContractError, match="the grant document is not of version 1") as refused:
        Grant.parse(json.dumps(document))
    assert "canary" not in str(refused.value)
