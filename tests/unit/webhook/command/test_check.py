"""The advice that `check` prints for each result of a probe."""

import pytest

from webhook.command.check import advice
from webhook.connector.conditions import Probe

CA_ADVICE = "put its CA into a Secret"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Probe("unreachable", "self-signed", is_untrusted=True), CA_ADVICE),
        (Probe("unreachable", "certificate verify failed: …", is_untrusted=True), CA_ADVICE),
        (Probe("unreachable", "the name certificate.test is not known"), "nothing answers there"),
        (Probe("refused", "status code 401"), "correct user name and password"),
        (Probe("foreign", "status code 200"), "the registry's documents name the URL that pip uses"),
        (Probe("unservable", "in br"), "cannot serve it to Pods"),
        (Probe("unexpected", "status code 404"), "but not as an index"),
    ],
)
def test_the_advice_follows_the_result_and_not_its_words(result: Probe, expected: str) -> None:
    """A host's name may hold the word certificate."""
    assert expected in advice(result)
