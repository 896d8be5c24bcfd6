"""Admission's settings from the environment."""

import pytest

from webhook.errors import InputError
from webhook.settings import BROKER_URL, Settings, from_environment

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OTHER = CERTIFICATE.replace("MIIB", "MIIC")
LEAST = {"WEBHOOK_SIDECAR_IMAGE": "r.example/s:1", "WEBHOOK_BROKER_CA": CERTIFICATE}


def test_the_least() -> None:
    assert from_environment(LEAST) == Settings(
        "r.example/s:1", ("r.example/s:1",), (CERTIFICATE.strip(),), BROKER_URL
    )
    assert BROKER_URL == "https://pypi-connector-broker.pypi-connector-system.svc"


def test_the_current_image_comes_first_and_once() -> None:
    digest = "mirror.example:5000/s@sha256:" + "a" * 64
    found = from_environment({**LEAST, "WEBHOOK_ALLOWED_IMAGES": f" {digest} ,r.example/s:1,"})
    assert found.allowed_images == ("r.example/s:1", digest)


def test_a_bundle_is_split_and_comments_are_dropped() -> None:
    found = from_environment(
        {**LEAST, "WEBHOOK_BROKER_CA": f"# old\r\n{CERTIFICATE}\n# new\n{OTHER}".strip()}
    )
    assert found.broker_ca == (CERTIFICATE.strip(), OTHER.strip())


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        from_environment({"WEBHOOK_BROKER_URL": "http://b", "WEBHOOK_ALLOWED_IMAGES": "a b,-x"})
    assert [one.message for one in caught.value.problems] == [
        "WEBHOOK_SIDECAR_IMAGE is not set: give the sidecar's image, best with its digest",
        "WEBHOOK_ALLOWED_IMAGES must be an image reference, not 'a b'",
        "WEBHOOK_ALLOWED_IMAGES must be an image reference, not '-x'",
        "WEBHOOK_BROKER_URL must read https://host or https://host:port, not 'http://b'",
        "WEBHOOK_BROKER_CA holds no PEM certificate: give the bundle that the broker's certificate chains to",
    ]
