"""Settings of admission and broker: environment to frozen objects, once, every problem reported together."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sidecar.contract.words import LOG_LEVELS
from webhook import names
from webhook.errors import InputError, Problem

PREFIX = "WEBHOOK_"
"""Never PYPI_CONNECTOR_: Kubernetes derives variables of that prefix from the names of Services."""

BROKER_URL = f"https://{names.BROKER}.{names.NAMESPACE}.svc"

IMAGE_LENGTH = 512
"""Characters: 255 for a repository, 128 for a tag, 72 for a digest, and a host's port"""

_IMAGE = re.compile(r"[a-z0-9][-a-zA-Z0-9._/:]*(@sha256:[0-9a-f]{64})?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides on Pods: an administrator's choices, and the authorities of the day."""

    sidecar_image: str
    allowed_images: tuple[str, ...]
    """The current image first, then mirrors and earlier images: Pods with one of them get grants"""
    broker_ca: tuple[str, ...]
    """PEM certificates that the sidecar verifies the broker with"""
    broker_url: str = BROKER_URL
    pull_secrets: tuple[str, ...] = ()
    """Added to the `imagePullSecrets` of injected Pods; Secrets of these names lie in their namespaces"""

    def with_images(self, further: Iterable[str]) -> "Settings":
        """The same settings, in which these images get grants as well."""
        return replace(self, allowed_images=tuple(dict.fromkeys([*self.allowed_images, *further])))


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What one process is started with."""

    sidecar_image: str
    allowed_images: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    broker_url: str
    port: int
    tls_directory: Path
    """Holds ca.crt, tls.crt and tls.key: mounted in admission, written by the broker itself"""
    namespace: str
    pod_name: str
    """Identity in Lease and Events"""
    log_level: str

    def with_authorities(self, broker_ca: tuple[str, ...]) -> Settings:
        return Settings(
            sidecar_image=self.sidecar_image,
            allowed_images=self.allowed_images,
            broker_ca=broker_ca,
            broker_url=self.broker_url,
            pull_secrets=self.pull_secrets,
        )


def from_environment(variables: Mapping[str, str], *, port: int, tls_directory: str) -> ProcessSettings:
    """Read `WEBHOOK_*`, or raise `InputError`. `port` and `tls_directory` are the component's defaults."""
    reader = _Reader(variables)
    image = reader.text("SIDECAR_IMAGE")
    if not image:
        reader.wrong("SIDECAR_IMAGE", "is not set: give the sidecar's image, best with its digest")
    images = [image or "x", *reader.items("ALLOWED_IMAGES")]
    for name, one in zip(["SIDECAR_IMAGE", *["ALLOWED_IMAGES"] * len(images)], images, strict=False):
        reader.check(name, one, _IMAGE, "an image reference")
    pull_secrets = reader.items("PULL_SECRETS")
    for one in pull_secrets:
        reader.check("PULL_SECRETS", one, _SUBDOMAIN, "names of Secrets")
    url = reader.text("BROKER_URL", BROKER_URL)
    if not re.fullmatch(r"https://[^/?#@\s]+/?", url):
        reader.wrong("BROKER_URL", f"must read https://host or https://host:port, not {url!r}")
    namespace = reader.text("NAMESPACE", names.NAMESPACE)
    reader.check("NAMESPACE", namespace, _LABEL, "a namespace")
    level = reader.text("LOG_LEVEL", "info")
    if level not in LOG_LEVELS:
        reader.wrong("LOG_LEVEL", f"must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    found = ProcessSettings(
        sidecar_image=image,
        allowed_images=tuple(dict.fromkeys(images)),
        pull_secrets=tuple(dict.fromkeys(pull_secrets)),
        broker_url=url.rstrip("/"),
        port=reader.port("PORT", port),
        tls_directory=Path(reader.text("TLS_DIR", tls_directory)),
        namespace=namespace,
        pod_name=reader.text("POD_NAME", "pypi-connector"),
        log_level=level,
    )
    if reader.problems:
        raise InputError(reader.problems)
    return found


def images_in(variables: Mapping[str, str]) -> list[str]:
    """The sidecar images that an environment names, this process's or another replica's."""
    reader = _Reader(variables)
    images = (reader.text("SIDECAR_IMAGE"), *reader.items("ALLOWED_IMAGES"))
    return [image for image in images if is_image(image)]


def is_image(text: str) -> bool:
    return len(text) <= IMAGE_LENGTH and _IMAGE.fullmatch(text) is not None


class _Reader:
    """Reads one variable after another and keeps what is wrong with each."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[Problem] = []

    def wrong(self, name: str, sentence: str) -> None:
        self.problems.append(Problem("InvalidSetting", f"{PREFIX}{name} {sentence}"))

    def text(self, name: str, default: str = "") -> str:
        return self._variables.get(PREFIX + name) or default

    def items(self, name: str) -> list[str]:
        return [one.strip() for one in self.text(name).split(",") if one.strip()]

    def check(self, name: str, text: str, shape: re.Pattern[str], what: str) -> None:
        if not shape.fullmatch(text):
            self.wrong(name, f"must be {what}, not {text!r}")

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
            self.wrong(name, f"must be a number from 1 to 65535, not {text!r}")
            return default
        return int(text)
