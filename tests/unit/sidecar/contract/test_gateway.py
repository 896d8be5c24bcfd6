"""The contract of broker and gateway: what one writes the other reads."""

import json
import traceback
from typing import Any

import pytest

from sidecar.contract.errors import ContractError
from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import Credential, Grant, gateway_grant_request, grant_request
from sidecar.contract.secret import Secret

CANARY = "canary-90aa-gateway"
GRANT = Grant(
    version="7/1-ab",
    index_url="https://registry.example/simple/",
    upload_url=None,
    file_origins=(),
    ca=None,
    credential=Credential("reader", Secret(CANARY)),
    soft_seconds=300.0,
    hard_seconds=600.0,
    broker_ca=(),
)
GATEWAY_GRANT = GatewayGrant(GRANT, "team/builder", 600.5)


def changed(**fields: Any) -> str:
    document = {**GATEWAY_GRANT.document(), **fields}
    return json.dumps({key: value for key, value in document.items() if value is not ...})


def test_a_grant_survives_the_wire() -> None:
    assert GatewayGrant.parse(changed()) == GATEWAY_GRANT
    assert GatewayGrant.parse(changed().encode()) == GATEWAY_GRANT


def test_it_is_a_sidecars_document_with_two_more_fields() -> None:
    assert Grant.parse(changed()) == GRANT
    assert GATEWAY_GRANT.document().keys() - GRANT.document().keys() == {"client", "expiresSeconds"}


def test_unknown_fields_of_a_newer_broker_are_ignored() -> None:
    assert GatewayGrant.parse(changed(novelty=[1])) == GATEWAY_GRANT


@pytest.mark.parametrize(
    "fields",
    [
        {"client": None},
        {"client": ...},
        {"client": 1},
        {"client": ["team/builder"]},
        {"expiresSeconds": None},
        {"expiresSeconds": ...},
        {"expiresSeconds": "600"},
        {"expiresSeconds": True},
        {"expiresSeconds": float("nan")},
        {"expiresSeconds": float("inf")},
        {"expiresSeconds": 10**400},
        {"version": 1},
    ],
)
def test_a_document_without_client_or_end_is_refused_and_not_quoted(fields: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        GatewayGrant.parse(changed(**fields))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("body", ["", "[]", "null", '"x"', "{}"])
def test_what_is_no_document_is_refused(body: str) -> None:
    with pytest.raises(ContractError):
        GatewayGrant.parse(body)


def test_no_secret_is_printed() -> None:
    assert CANARY not in repr(GATEWAY_GRANT)


def test_a_request_is_a_sidecars_with_the_clients_token() -> None:
    request = gateway_grant_request("team/pypi", "7/1-ab", Secret("a.b.c"), "credential-refused")
    assert request == {**grant_request("team/pypi", "7/1-ab", "credential-refused"), "token": "a.b.c"}
