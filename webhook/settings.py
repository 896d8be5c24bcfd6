"""Admission's settings: environment to a frozen object, once, with every problem reported together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from certs.authority import split_bundle
from webhook import names
from webhook.errors import InputError, Problem

PREFIX = "WEBHOOK_"
"""Never PYPI_CONNECTOR_: Kubernetes derives variables of that prefix from the names of Services."""

BROKER_URL = f"https://{names.BROKER}.{names.NAMESPACE}.svc"

_IMAGE = re.compile(r"[a-z0-9][-a-zA-Z0-9._/:]*(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator chooses."""

    sidecar_image: str
    allowed_images: tuple[str, ...]
    """The current one first, then earlier digests and mirrors: a Pod that runs one of them gets grants"""
    broker_ca: tuple[str, ...]
    """PEM certificates that the sidecar verifies the broker with"""
    broker_url: str = BROKER_URL


def from_environment(variables: Mapping[str, str]) -> Settings:
    """Read `WEBHOOK_*`, or raise `InputError`."""
    problems: list[Problem] = []

    def wrong(name: str, sentence: str) -> None:
        problems.append(Problem("InvalidSetting", f"{PREFIX}{name} {sentence}"))

    image = variables.get(PREFIX + "SIDECAR_IMAGE", "")
    further = [one.strip() for one in variables.get(PREFIX + "ALLOWED_IMAGES", "").split(",") if one.strip()]
    url = variables.get(PREFIX + "BROKER_URL", BROKER_URL)
    certificates = split_bundle(variables.get(PREFIX + "BROKER_CA", ""))
    if not image:
        wrong("SIDECAR_IMAGE", "is not set: give the sidecar's image, best with its digest")
    for name, text in [("SIDECAR_IMAGE", image or "x"), *(("ALLOWED_IMAGES", one) for one in further)]:
        if not _IMAGE.fullmatch(text):
            wrong(name, f"must be an image reference, not {text!r}")
    if not re.fullmatch(r"https://[^/?#@\s]+/?", url):
        wrong("BROKER_URL", f"must read https://host or https://host:port, not {url!r}")
    if not certificates:
        wrong(
            "BROKER_CA", "holds no PEM certificate: give the bundle that the broker's certificate chains to"
        )
    if problems:
        raise InputError(problems)
    return Settings(
        sidecar_image=image,
        allowed_images=tuple(dict.fromkeys([image, *further])),
        broker_ca=certificates,
        broker_url=url.rstrip("/"),
    )
