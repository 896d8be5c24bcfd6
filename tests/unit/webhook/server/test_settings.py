"""The settings of admission and broker from their environment."""

from pathlib import Path

import pytest

from webhook.errors import InputError
from webhook.pod.settings import BROKER_URL, Settings
from webhook.server.settings import ProcessSettings, from_environment

LEAST = {"WEBHOOK_SIDECAR_IMAGE": "r.example/s:1"}


def read(variables: dict[str, str]) -> ProcessSettings:
    return from_environment(variables, port=10250, tls_directory="/tls")


def test_the_smallest_environment_gets_all_defaults() -> None:
    assert read(LEAST) == ProcessSettings(
        sidecar_image="r.example/s:1",
        allowed_images=("r.example/s:1",),
        pull_secrets=(),
        broker_url=BROKER_URL,
        port=10250,
        tls_directory=Path("/tls"),
        namespace="pypi-connector-system",
        pod_name="pypi-connector",
        log_level="info",
    )
    assert BROKER_URL == "https://pypi-connector-broker.pypi-connector-system.svc"


def test_the_current_authorities_complete_the_settings() -> None:
    settings = read({**LEAST, "WEBHOOK_PULL_SECRETS": "mirror, mirror,other"})
    assert settings.with_authorities(("A", "B")) == Settings(
        "r.example/s:1", ("r.example/s:1",), ("A", "B"), BROKER_URL, ("mirror", "other")
    )


def test_the_current_image_comes_first_and_once() -> None:
    digest = "mirror.example:5000/s@sha256:" + "a" * 64
    settings = read({**LEAST, "WEBHOOK_ALLOWED_IMAGES": f" {digest} ,r.example/s:1,"})
    assert settings.allowed_images == ("r.example/s:1", digest)


def test_every_problem_is_reported_at_once() -> None:
    wrong = {
        "BROKER_URL": "http://b",
        "ALLOWED_IMAGES": "a b,-x",
        "PULL_SECRETS": "A_b",
        "NAMESPACE": "a.b",
        "LOG_LEVEL": "loud",
        "PORT": "70000",
    }
    with pytest.raises(InputError) as caught:
        read({f"WEBHOOK_{name}": text for name, text in wrong.items()})
    assert [problem.message for problem in caught.value.problems] == [
        "WEBHOOK_SIDECAR_IMAGE is not set: give the sidecar's image, best with its digest",
        "WEBHOOK_ALLOWED_IMAGES must be an image reference, not 'a b'",
        "WEBHOOK_ALLOWED_IMAGES must be an image reference, not '-x'",
        "WEBHOOK_PULL_SECRETS must be names of Secrets, not 'A_b'",
        "WEBHOOK_BROKER_URL must read https://host or https://host:port, not 'http://b'",
        "WEBHOOK_NAMESPACE must be a namespace, not 'a.b'",
        "WEBHOOK_LOG_LEVEL must be one of debug, info, warning, error, not 'loud'",
        "WEBHOOK_PORT must be a number from 1 to 65535, not '70000'",
    ]
