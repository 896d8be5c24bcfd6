"""A Connector's conditions, for each state of its manifests and its registry."""

import pytest

from webhook.connector.conditions import CA_CERT, CLASS, REASONS, SECRET, Observed, Probe, conditions
from webhook.connector.proxy_address import ProxyAddress
from webhook.connector.reasons import ConnectorReason
from webhook.errors import Problem

TYPES = [
    "ConnectorClassReady",
    "SecretReady",
    "CACertReady",
    "LivenessReady",
    "AuthReady",
    "ProxyServiceReady",
    "Ready",
]
OK = Probe("ok", "status code 200")
NOTHING = Probe("unreachable", "connection refused")

PROXY_ADDRESS = ProxyAddress("http://127.0.0.1:28100/simple/")


def known(
    *reasons: str, probe: Probe | None = OK, has_secret: bool | None = True, has_ca: bool | None = True
) -> dict[str, tuple[str, str]]:
    """Type to status and reason."""
    problems = [Problem(reason, f"about {reason}") for reason in reasons]
    result = conditions(Observed(problems, has_secret, has_ca, probe, PROXY_ADDRESS))
    assert [condition.type for condition in result] == TYPES
    assert all(condition.reason and condition.message for condition in result)
    return {condition.type: (condition.status, condition.reason) for condition in result}


@pytest.mark.parametrize(
    ("shown", "kind", "expected"),
    [
        (known(), "Ready", ("True", "Valid")),
        (known(has_secret=False), "SecretReady", ("True", "SecretOptional")),
        (known(has_ca=False), "CACertReady", ("True", "NoCACert")),
        (known("ConnectorClassNotFound"), "ConnectorClassReady", ("False", "ConnectorClassNotFound")),
        (known("SecretNotFound"), "SecretReady", ("False", "SecretNotFound")),
        (known("SecretNotFound"), "CACertReady", ("True", "Valid")),
        (known("CASecretNotFound"), "CACertReady", ("False", "CASecretNotFound")),
        (known("CASecretNotFound"), "SecretReady", ("True", "Valid")),
        (known("InvalidPEM"), "Ready", ("False", "InvalidPEM")),
        (known("InvalidAddress"), "Ready", ("False", "InvalidAddress")),
        (known("InvalidAddress"), "ProxyServiceReady", ("False", "ConnectorInvalid")),
        (known(probe=NOTHING), "LivenessReady", ("False", "ConnectionFailed")),
        (known(probe=NOTHING), "AuthReady", ("Unknown", "NotProbed")),
        (known(probe=NOTHING), "Ready", ("False", "ConnectionFailed")),
        (known(probe=Probe("unexpected", "status code 404")), "LivenessReady", ("False", "ConnectionFailed")),
        (known(probe=Probe("unservable", "in br")), "LivenessReady", ("False", "ConnectionFailed")),
        (known(probe=Probe("unservable", "in br")), "AuthReady", ("Unknown", "NotProbed")),
        (known(probe=Probe("foreign", "a sign-in page")), "LivenessReady", ("False", "NotAnIndex")),
        (known(probe=Probe("foreign", "a sign-in page")), "AuthReady", ("Unknown", "NotProbed")),
        (known(probe=Probe("foreign", "a sign-in page")), "Ready", ("False", "NotAnIndex")),
        (known(probe=Probe("refused", "status code 401")), "LivenessReady", ("True", "Valid")),
        (known(probe=Probe("refused", "status code 401")), "AuthReady", ("False", "AuthenticationFailed")),
        (known(probe=Probe("refused", "status code 401")), "Ready", ("False", "AuthenticationFailed")),
        (known(probe=None), "Ready", ("Unknown", "NotProbed")),
        (known(probe=None), "SecretReady", ("True", "Valid")),
        (known("SecretForbidden", probe=None), "SecretReady", ("False", "SecretForbidden")),
        (known("CASecretForbidden", probe=None), "CACertReady", ("False", "CASecretForbidden")),
        (known("InvalidShape", has_secret=None, has_ca=None), "SecretReady", ("Unknown", "NotChecked")),
        (known("InvalidShape", has_secret=None, has_ca=None), "CACertReady", ("Unknown", "NotChecked")),
        (known("InvalidShape", has_secret=None, has_ca=None), "Ready", ("False", "InvalidShape")),
        (known("ForeignSecret", has_secret=None, has_ca=None), "SecretReady", ("False", "ForeignSecret")),
    ],
)
def test_a_condition_shows_the_state_of_its_subject(
    shown: dict[str, tuple[str, str]], kind: str, expected: tuple[str, str]
) -> None:
    assert shown[kind] == expected


def test_a_warning_about_the_secret_leaves_it_ready() -> None:
    warning = Problem("SecretWithoutPassword", 'secret "login" has no password')
    for probe, status in ((OK, "True"), (Probe("refused", "status code 401"), "False")):
        result = conditions(Observed((), True, False, probe, PROXY_ADDRESS, secret_warning=warning))
        shown = {condition.type: condition for condition in result}
        assert (shown["SecretReady"].status, shown["SecretReady"].reason) == ("True", warning.reason)
        assert shown["SecretReady"].message == warning.message
        assert shown["Ready"].status == status


def test_each_reason_of_a_secret_shows_in_the_condition_of_that_secret() -> None:
    """A new reason that no condition lists would show in `Ready` alone."""
    for reason in ConnectorReason:
        shown = [kind for kind in (CLASS, SECRET, CA_CERT) if reason in REASONS[kind]]
        if reason.startswith("CASecret"):
            assert shown == [CA_CERT], reason
        elif reason.startswith("Secret"):
            assert shown == [SECRET], reason
        else:
            assert len(shown) <= 1, reason


def test_a_fault_of_the_manifest_shows_in_ready_alone() -> None:
    listed = {reason for reasons in REASONS.values() for reason in reasons}
    assert set(ConnectorReason) - listed == {
        ConnectorReason.INVALID_NAME,
        ConnectorReason.INVALID_SHAPE,
        ConnectorReason.INVALID_ADDRESS,
        ConnectorReason.INSECURE_ADDRESS,
        ConnectorReason.INVALID_PARAMETER,
    }
