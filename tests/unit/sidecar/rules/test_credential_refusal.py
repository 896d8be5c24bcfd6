"""What is said when the registry refuses the credential."""

import pytest

from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret
from sidecar.errors import CredentialRefused
from sidecar.rules.credential_refusal import refusal_of

CANARY = "canary-4b7d"
ANONYMOUS = Grant("1", "https://registry.example/simple/", None, (), None, None, 300.0, 3600.0, ())
WITH_CREDENTIAL = ANONYMOUS._replace(credential=Credential("user", Secret(CANARY)))


@pytest.mark.parametrize(
    ("status", "grant", "code", "words"),
    [
        (401, WITH_CREDENTIAL, "credential-refused", "correct the Secret that it names"),
        (
            403,
            WITH_CREDENTIAL,
            "registry-forbids",
            "user name or password are wrong, or it may not read this",
        ),
        (401, ANONYMOUS, "credential-missing", "name a Secret in its spec.auth.secretRef"),
        (403, ANONYMOUS, "credential-missing", "name a Secret in its spec.auth.secretRef"),
    ],
)
def test_a_refusal_says_whose_credential_what_the_registry_said_and_what_to_do(
    status: int, grant: Grant, code: str, words: str
) -> None:
    refusal = refusal_of(status, grant, "team/pypi")
    assert (refusal.status, refusal.code, refusal.retry_after) == (403, code, None)
    for part in (words, "connector team/pypi", f"status {status}"):
        assert part in refusal.sentence
    assert CANARY not in refusal.sentence
    assert str(refusal) == refusal.sentence


def test_only_a_401_to_a_credential_is_the_error_that_stops_its_use() -> None:
    found = {
        (status, grant.credential is not None): isinstance(
            refusal_of(status, grant, "a/b"), CredentialRefused
        )
        for status in (401, 403)
        for grant in (ANONYMOUS, WITH_CREDENTIAL)
    }
    assert [key for key, is_final in found.items() if is_final] == [(401, True)]
