"""The sidecar's environment: the webhook writes it, the sidecar parses it.

Values are `NamedTuple`s: `dataclasses` costs 7 ms of import, a fifth of the sidecar's start, in every Pod.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from sidecar.contract.errors import ContractError
from sidecar.contract.words import BROKER_CA_VARIABLE, CONFIG_DIR, LOG_LEVELS, SHAPE, TOKEN_FILE


class Listener(NamedTuple):
    """One connector and the loopback port that stands for it."""

    connector: str
    """`namespace/name`"""
    port: int
    """1 to 65535"""


class Environment(NamedTuple):
    """The sidecar's own variables, all of which begin with `SIDECAR_`."""

    listeners: tuple[Listener, ...]
    files: Mapping[str, str]
    """File name → content, written into `config_dir` before the first socket listens; no secret in them."""
    config_dir: str = CONFIG_DIR
    log_level: str = "info"
    broker_url: str | None = None
    """Base URL, https; None with `grant_fd`"""
    broker_ca: str = ""
    """PEM bundle that the broker's certificate is verified with"""
    token_file: str = TOKEN_FILE
    grant_fd: int | None = None
    """Inherited descriptor with one line for each listener, its grant document (`run`, where there is no
    broker); its end of file means that the parent is gone"""
    peer_uid: int | None = None
    """Only this user of the machine (and root) is served: `run`, where the loopback interface is shared"""

    def variables(self) -> dict[str, str]:
        """The environment as the webhook writes it, in a fixed order."""
        found = {
            "SIDECAR_SHAPE": SHAPE,
            "SIDECAR_LISTEN": ",".join(f"{one.connector}={one.port}" for one in self.listeners),
            "SIDECAR_FILES": json.dumps(dict(self.files), separators=(",", ":")),
            "SIDECAR_CONFIG_DIR": self.config_dir,
            "SIDECAR_LOG_LEVEL": self.log_level,
        }
        if self.broker_url is not None:
            found["SIDECAR_BROKER_URL"] = self.broker_url
            found[BROKER_CA_VARIABLE] = self.broker_ca
            found["SIDECAR_TOKEN_FILE"] = self.token_file
        numbers = {"SIDECAR_GRANT_FD": self.grant_fd, "SIDECAR_PEER_UID": self.peer_uid}
        return found | {name: str(number) for name, number in numbers.items() if number is not None}

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "Environment":
        """Read the variables; `ContractError` names every wrong one at once. Unknown ones are left alone."""
        problems: list[str] = []

        def read(name: str, default: str | None = None) -> str:
            value = variables.get("SIDECAR_" + name, default)
            if value is None:
                problems.append(f"SIDECAR_{name} is not set")
            return value or ""

        def number(name: str) -> int | None:
            text = variables.get("SIDECAR_" + name)
            if text is None:
                return None
            if not _is_number(text):
                problems.append(f"SIDECAR_{name} must be a whole number, not {text!r}")
                return None
            return int(text)

        listeners = _parse_listeners(read("LISTEN"), problems)
        files = _parse_files(read("FILES", "{}"), problems)
        grant_fd = number("GRANT_FD")
        level = read("LOG_LEVEL", "info")
        if level not in LOG_LEVELS:
            problems.append(f"SIDECAR_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
        url = None if grant_fd is not None else read("BROKER_URL")
        if url and not variables.get(BROKER_CA_VARIABLE, "").strip():
            # the system's authorities would be asked instead, and any of them could vouch for a broker
            problems.append(f"{BROKER_CA_VARIABLE} holds no certificate")
        if url and not url.startswith("https://"):
            problems.append(f"SIDECAR_BROKER_URL must begin with https://, not {url!r}")
        found = cls(
            listeners=listeners,
            files=files,
            config_dir=read("CONFIG_DIR", CONFIG_DIR),
            log_level=level,
            broker_url=url,
            broker_ca="" if grant_fd is not None else read("BROKER_CA"),
            token_file=read("TOKEN_FILE", TOKEN_FILE),
            grant_fd=grant_fd,
            peer_uid=number("PEER_UID"),
        )
        if problems:
            raise ContractError("the sidecar's environment is not usable: " + "; ".join(problems))
        return found


def _is_number(text: str) -> bool:
    """Whether `int` takes it: no other script's digits, no more of them than any number here has."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _parse_listeners(text: str, problems: list[str]) -> tuple[Listener, ...]:
    found = []
    for part in text.split(",") if text else []:
        connector, _, port = part.rpartition("=")
        if connector.count("/") != 1 or not _is_number(port) or not 0 < int(port) < 65536:
            problems.append(f"SIDECAR_LISTEN must read namespace/name=port, not {part!r}")
            continue
        found.append(Listener(connector, int(port)))
    return tuple(found)


def _parse_files(text: str, problems: list[str]) -> dict[str, str]:
    try:
        files = json.loads(text)
    except ValueError:
        files = None
    if not isinstance(files, dict) or not all(isinstance(body, str) for body in files.values()):
        problems.append("SIDECAR_FILES must be a JSON object of texts")
        return {}
    for name in files:
        if "/" in name or name in ("", ".", ".."):
            problems.append(f"SIDECAR_FILES names {name!r}, which is no file name")
    return files
