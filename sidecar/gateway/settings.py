"""The gateway's environment. All names begin with `GATEWAY_`. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from sidecar.contract.errors import ContractError
from sidecar.contract.words import LOG_LEVELS, TOKEN_FILE

TLS_DIR = "/run/pypi-connector/tls"
BROKER_URL = "https://pypi-connector-broker.pypi-connector-system.svc"
DRAIN_SECONDS = 60


class Settings(NamedTuple):
    broker_url: str
    """Base URL, https"""
    tls_dir: str
    """Holds tls.crt, tls.key and ca.crt: the authorities that may sign the broker's certificate"""
    token_file: str
    """The gateway's own token, for the broker"""
    log_level: str
    http_port: int
    """0: the kernel chooses"""
    https_port: int
    metrics_port: int
    address: str
    """To listen on; empty: all addresses"""
    allows_loopback: bool
    """Whether a registry may have a loopback address: for tests, where the gateway has no neighbours"""
    drain_seconds: int
    """From SIGTERM to the end: downloads that are under way may take so long"""


def parse(variables: Mapping[str, str]) -> Settings:
    """Ignores unknown variables. Raises a ContractError that names all problems."""
    problems: list[str] = []

    def number(name: str, default: int, most: int) -> int:
        text = variables.get(f"GATEWAY_{name}", str(default))
        if text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= most:
            return int(text)
        problems.append(f"GATEWAY_{name} must be a whole number up to {most}, not {text!r}")
        return default

    level = variables.get("GATEWAY_LOG_LEVEL", "info")
    if level not in LOG_LEVELS:
        problems.append(f"GATEWAY_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    url = variables.get("GATEWAY_BROKER_URL", BROKER_URL)
    if not url.startswith("https://"):
        problems.append(f"GATEWAY_BROKER_URL must begin with https://, not {url!r}")
    settings = Settings(
        broker_url=url,
        tls_dir=variables.get("GATEWAY_TLS_DIR", TLS_DIR),
        token_file=variables.get("GATEWAY_TOKEN_FILE", TOKEN_FILE),
        log_level=level,
        http_port=number("HTTP_PORT", 8080, 65535),
        https_port=number("HTTPS_PORT", 8443, 65535),
        metrics_port=number("METRICS_PORT", 9090, 65535),
        address=variables.get("GATEWAY_ADDRESS", ""),
        allows_loopback=variables.get("GATEWAY_LOOPBACK") == "allow",
        drain_seconds=number("DRAIN_SECONDS", DRAIN_SECONDS, 86400),
    )
    if problems:
        raise ContractError("the gateway's environment is not usable: " + "; ".join(problems))
    return settings
