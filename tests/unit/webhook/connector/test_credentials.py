"""Credentials of which one half is empty: accepted with a warning; both halves empty: refused."""

import pytest

from support.connectors.grant_facts import PASSWORD, compose, connector, encode, secret
from webhook.connector.credentials import credential_warning, parse_credential
from webhook.connector.secret import SecretManifest
from webhook.errors import InvalidSecret


def login(**values: object) -> SecretManifest:
    return secret(data=values)


def plain(**values: object) -> SecretManifest:
    return secret(data=None, stringData=values)


@pytest.mark.parametrize(
    ("given", "pair", "reason"),
    [
        (login(username=encode(PASSWORD), password=""), (PASSWORD, ""), "SecretWithoutPassword"),
        (login(username=encode(PASSWORD)), (PASSWORD, ""), "SecretWithoutPassword"),
        (login(username=encode(PASSWORD), password=None), (PASSWORD, ""), "SecretWithoutPassword"),
        (plain(username=PASSWORD, password=""), (PASSWORD, ""), "SecretWithoutPassword"),
        (plain(username=PASSWORD), (PASSWORD, ""), "SecretWithoutPassword"),
        (plain(username=PASSWORD, password=None), (PASSWORD, ""), "SecretWithoutPassword"),
        (login(username="", password=encode(PASSWORD)), ("", PASSWORD), "SecretWithoutUsername"),
        (login(password=encode(PASSWORD)), ("", PASSWORD), "SecretWithoutUsername"),
        (plain(username=None, password=PASSWORD), ("", PASSWORD), "SecretWithoutUsername"),
    ],
)
def test_one_half_is_a_credential_with_a_warning(
    given: SecretManifest, pair: tuple[str, str], reason: str
) -> None:
    """Gemfury and packagecloud take a token as the user name, with no password (RFC 7617 allows both)."""
    credential = compose(given).credential
    assert credential is not None
    assert (credential.username, credential.password.reveal()) == pair
    assert PASSWORD not in repr(credential)
    warning = credential_warning(connector(), credential)
    assert warning is not None
    assert warning.reason == reason
    assert 'secret "login" has no' in warning.message
    assert PASSWORD not in repr(warning)


def test_both_halves_are_a_credential_without_a_warning() -> None:
    assert credential_warning(connector(), compose(secret()).credential) is None
    assert credential_warning(connector(), None) is None


@pytest.mark.parametrize("given", [login(), login(username="", password=""), plain(username=None), plain()])
def test_nothing_at_all_is_refused(given: SecretManifest) -> None:
    with pytest.raises(InvalidSecret) as refused:
        parse_credential(connector(), given)
    assert [problem.reason for problem in refused.value.problems] == ["SecretEmpty"]
    assert "leave out spec.auth for an anonymous registry" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (plain(username="a:b", password=""), "SecretUsernameHasColon"),
        (plain(username=":", password=""), "SecretUsernameHasColon"),
        (plain(username="token\n", password=""), "SecretHasControlCharacter"),
        (plain(username="token", password="\n"), "SecretHasControlCharacter"),
        (login(username=encode("token"), password="%"), "SecretNotBase64"),
    ],
)
def test_an_empty_half_excuses_no_fault_of_the_other(given: SecretManifest, reason: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        parse_credential(connector(), given)
    assert [problem.reason for problem in refused.value.problems] == [reason]
