"""Settings of a process: environment to a frozen object, once, with every problem reported together."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.contract.words import LOG_LEVELS
from webhook import names
from webhook.identifiers import is_label, is_subdomain
from webhook.pod.settings import BROKER_URL, Settings, is_image
from webhook.problems import Problems


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The settings of a process, which do not change while it runs."""

    sidecar_image: str
    allowed_images: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    broker_url: str
    port: int
    tls_directory: Path
    """Holds ca.crt, tls.crt and tls.key. Admission mounts it, the broker writes it"""
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
        reader.wrong("SIDECAR_IMAGE", "is not set", "give the sidecar's image, best with its digest")
    else:
        reader.check("SIDECAR_IMAGE", image, is_image, "an image reference")
    further_images = reader.items("ALLOWED_IMAGES")
    for further in further_images:
        reader.check("ALLOWED_IMAGES", further, is_image, "an image reference")
    pull_secrets = reader.items("PULL_SECRETS")
    for name in pull_secrets:
        reader.check("PULL_SECRETS", name, is_subdomain, "names of Secrets")
    url = reader.text("BROKER_URL", BROKER_URL)
    if not re.fullmatch(r"https://[^/?#@\s]+/?", url):
        reader.wrong("BROKER_URL", f"must read https://host or https://host:port, not {url!r}")
    namespace = reader.text("NAMESPACE", names.NAMESPACE)
    reader.check("NAMESPACE", namespace, is_label, "a namespace")
    level = reader.text("LOG_LEVEL", "info")
    if level not in LOG_LEVELS:
        reader.wrong("LOG_LEVEL", f"must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    settings = ProcessSettings(
        sidecar_image=image,
        allowed_images=tuple(dict.fromkeys([image, *further_images])),
        pull_secrets=tuple(dict.fromkeys(pull_secrets)),
        broker_url=url.rstrip("/"),
        port=reader.port("PORT", port),
        tls_directory=Path(reader.text("TLS_DIR", tls_directory)),
        namespace=namespace,
        pod_name=reader.text("POD_NAME", "pypi-connector"),
        log_level=level,
    )
    reader.problems.raise_any()
    return settings


class _Reader:
    """Reads one variable after another and collects the problems of all."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems = Problems()

    def wrong(self, name: str, fault: str, fix: str = "") -> None:
        self.problems.add("InvalidSetting", f"{names.SETTINGS_PREFIX}{name} {fault}", fix)

    def text(self, name: str, default: str = "") -> str:
        return self._variables.get(names.SETTINGS_PREFIX + name) or default

    def items(self, name: str) -> list[str]:
        return [item.strip() for item in self.text(name).split(",") if item.strip()]

    def check(self, name: str, text: str, is_valid: Callable[[str], bool], kind: str) -> None:
        if not is_valid(text):
            self.wrong(name, f"must be {kind}, not {text!r}")

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
            self.wrong(name, f"must be a number from 1 to 65535, not {text!r}")
            return default
        return int(text)
