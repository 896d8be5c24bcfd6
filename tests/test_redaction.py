"""A registry that repeats the credential in its answer is not quoted."""

from base64 import b64encode

import pytest

from sidecar.contract import Credential, Secret
from sidecar.redaction import HIDDEN, redact

CANARY = "canary-88e1"
CREDENTIAL = Credential("user", Secret(CANARY))
PAIR = b64encode(f"user:{CANARY}".encode())


@pytest.mark.parametrize(
    "text",
    [
        CANARY.encode(),
        b"<p>wrong password " + CANARY.encode() + b"</p>",
        b"Authorization: Basic " + PAIR,
        PAIR,
        b"https://user:" + CANARY.encode() + b"@registry.example/",
        b"\xff\x00" + CANARY.encode(),
    ],
)
def test_a_text_with_the_password_in_it_is_replaced_whole(text: bytes) -> None:
    assert redact(text, CREDENTIAL) == HIDDEN


@pytest.mark.parametrize("text", [b"", b"403 Forbidden", b"user", b"Basic realm=x", b"canary-88e", b"\xff"])
def test_any_other_text_stays(text: bytes) -> None:
    assert redact(text, CREDENTIAL) == text


def test_without_a_credential_nothing_is_hidden() -> None:
    assert redact(CANARY.encode(), None) == CANARY.encode()


def test_an_empty_password_does_not_hide_everything() -> None:
    credential = Credential("token-as-user", Secret(""))
    assert redact(b"403 Forbidden", credential) == b"403 Forbidden"
    assert redact(b"Basic " + b64encode(b"token-as-user:"), credential) == HIDDEN


def test_a_token_in_place_of_the_user_name_is_hidden() -> None:
    assert redact(b"no such user: token-as-user", Credential("token-as-user", Secret(""))) == HIDDEN
    assert redact(b"no such user: robot", Credential("robot", Secret("x" * 9))) == b"no such user: robot"


def test_a_password_with_a_space_is_found_as_a_form_writes_it() -> None:
    credential = Credential("u", Secret("pass word&more"))
    assert redact(b"password=pass+word%26more", credential) == HIDDEN
    assert redact(b"password=pass%20word%26more", credential) == HIDDEN


def test_a_password_beyond_ascii_is_found_in_utf_8() -> None:
    assert redact("wrong: pässwörd".encode(), Credential("u", Secret("pässwörd"))) == HIDDEN


def test_the_sentence_in_its_place_shows_no_secret_and_is_one_line() -> None:
    assert CANARY.encode() not in HIDDEN
    assert all(32 <= octet < 127 for octet in HIDDEN)
