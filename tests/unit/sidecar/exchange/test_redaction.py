"""A registry that repeats the credential in its answer is not quoted."""

from base64 import b64encode

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from sidecar.exchange.redaction import HIDDEN, redact, redact_head

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


def test_a_header_goes_whose_value_or_name_holds_it_and_the_others_stay_in_order() -> None:
    kept = [(b"a", b"1"), (b"etag", b'"2"'), (b"a", b"3")]
    for bad in (
        (b"x", CANARY.encode()),
        (b"x", b"Basic " + PAIR),
        (b"x", PAIR.rstrip(b"=") + b"; more"),
        (b"x", CANARY.replace("-", "%2d").encode()),
        (b"x", CANARY.replace("-", "\\u002d").encode()),
        (b"x", CANARY.replace("-", "&#45;").encode()),
        (b"x-" + CANARY.encode(), b"1"),
    ):
        for place in range(4):
            headers = [*kept[:place], bad, *kept[place:]]
            assert redact_head(b"OK", headers, CREDENTIAL) == (b"OK", kept)


def test_a_phrase_goes_and_headers_stay() -> None:
    headers = [(b"a", b"1")]
    assert redact_head(CANARY.encode(), headers, CREDENTIAL) == (HIDDEN, headers)
    assert redact_head(CANARY.encode(), headers, None) == (CANARY.encode(), headers)


@pytest.mark.parametrize("password", ["json", "html", "gzip", "bytes", "12", "utf-8"])
def test_what_a_client_needs_for_the_body_stays_though_the_password_is_such_a_word(password: str) -> None:
    headers = [
        (b"content-type", b"application/vnd.pypi.simple.v1+json"),
        (b"content-type", b"text/html; charset=UTF-8"),
        (b"content-encoding", b"gzip"),
        (b"content-range", b"bytes 12-34/*"),
    ]
    assert redact_head(b"OK", headers, Credential("u", Secret(password))) == (b"OK", headers)
    odd = [(b"content-type", f"text/html; x={password}".encode()), (b"x", password.encode())]
    assert redact_head(b"OK", odd, Credential("u", Secret(password))) == (b"OK", [])


def test_the_sentence_in_its_place_shows_no_secret_and_is_one_line() -> None:
    assert CANARY.encode() not in HIDDEN
    assert all(32 <= octet < 127 for octet in HIDDEN)
