"""The token of a request: where it may stand, and which texts cost no review."""

from base64 import b64encode

import pytest

from sidecar.contract.secret import Secret
from sidecar.errors import Refusal
from sidecar.gateway.tokens import check_claims, fingerprint, token_of
from support.sidecars.gateways import token

NOW = 1_800_000_000.0
GOOD = token(exp=NOW + 600)


def basic(pair: bytes) -> bytes:
    return b"Basic " + b64encode(pair)


@pytest.mark.parametrize(
    "value",
    [
        basic(b"anybody:" + GOOD.encode()),
        basic(b":" + GOOD.encode()),
        basic(GOOD.encode() + b":"),
        basic("ünï".encode() + b":" + GOOD.encode()),
        basic(b"\xff:" + GOOD.encode()),
        b"BASIC  " + b64encode(b"a:" + GOOD.encode()) + b" ",
        b"Bearer " + GOOD.encode(),
        b"bearer \t" + GOOD.encode(),
    ],
)
def test_a_token_is_a_password_or_a_user_or_a_bearer(value: bytes) -> None:
    assert token_of([value]).reveal() == GOOD


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([], "token-missing"),
        ([b""], "token-missing"),
        ([b"Basic"], "token-missing"),
        ([b"Basic "], "token-missing"),
        ([basic(b":")], "token-missing"),
        ([b"Bearer"], "token-missing"),
        ([b"Digest username=a"], "token-missing"),
        ([b"Basic ***"], "token-malformed"),
        ([basic(b"no-colon")], "token-malformed"),
        ([basic("a:é".encode())], "token-malformed"),
        ([basic(b"a:" + b"x" * 8193)], "token-malformed"),
        ([b"Bearer " + GOOD.encode()] * 2, "bad-request"),
    ],
)
def test_without_one_token_it_is_refused(values: list[bytes], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        token_of(values)
    assert caught.value.code == code
    assert caught.value.status == (400 if code == "bad-request" else 401)


def test_a_password_counts_more_than_a_user() -> None:
    """A pip.conf of the reference page has the name of the ServiceAccount as the user."""
    assert token_of([basic(b"eyJ.a.b:right")]).reveal() == "right"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hunter2", "token-malformed"),
        ("a.b", "token-malformed"),
        ("a.b.c.d", "token-malformed"),
        ("a..c", "token-malformed"),
        ("e30.W10.x", "token-malformed"),
        ("e30.e30.x", "token-malformed"),
        ("e30.//8.x", "token-malformed"),
        ("e30." + "W" * 8000 + ".x", "token-malformed"),
        (token(sub="alice", exp=NOW + 1), "token-malformed"),
        (token(sub=["system:serviceaccount:a:b"], exp=NOW + 1), "token-malformed"),
        (token(aud=["pypi-connector"], exp=NOW + 1), "token-audience"),
        (token(aud="pypi-connector-gateway2", exp=NOW + 1), "token-audience"),
        (token(aud=None, exp=NOW + 1), "token-audience"),
        (token(exp=NOW - 61), "token-expired"),
    ],
)
def test_a_token_that_cannot_be_valid_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_claims(Secret(text), NOW)
    assert (caught.value.status, caught.value.code) == (401, code)
    assert text not in caught.value.sentence


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 600},
        {"exp": NOW - 59},
        {"exp": "soon"},
        {"aud": "pypi-connector-gateway", "exp": NOW + 1},
        {"aud": ["other", "pypi-connector-gateway"], "exp": NOW + 1},
    ],
)
def test_any_other_goes_to_the_broker(claims: dict[str, object]) -> None:
    check_claims(Secret(token(**claims)), NOW)


def test_a_fingerprint_shows_nothing_of_the_token() -> None:
    assert fingerprint(Secret("a")) != fingerprint(Secret("b"))
    assert len(fingerprint(Secret("a"))) == 32
