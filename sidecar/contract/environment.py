"""The sidecar's environment: the webhook writes it, the sidecar parses it.

Values are `NamedTuple`s: `dataclasses` costs 7 ms of import, a fifth of the sidecar's start, in every Pod.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sidecar.contract.errors import ContractError
from sidecar.contract.words import (
    BROKER_CA_VARIABLE,
    CONFIG_DIR,
    LOG_LEVELS,
    SHAPE,
    TOKEN_FILE,
)


class Listener(NamedTuple):
    """A connector and its loopback port."""

    connector: str
    """`namespace/name`"""
    port: int
    """1 to 65535"""


class Environment(NamedTuple):
    """The sidecar's variables. The names of all of them begin with `SIDECAR_`."""

    listeners: tuple[Listener, ...]
    files: Mapping[str, str]
    """File name → content, without secrets; written into `config_dir` before the first socket listens"""
    config_dir: str = CONFIG_DIR
    log_level: str = "info"
    broker_url: str | None = None
    """Base URL, https; None with `grant_fd`"""
    broker_ca: str = ""
    """PEM bundle of the authorities that may sign the broker's certificate"""
    token_file: str = TOKEN_FILE
    grant_fd: int | None = None
    """Inherited descriptor with a grant document for each listener, a line each. `run` sets it in place of a
    broker. Its end of file means that the parent is gone"""
    peer_uid: int | None = None
    """Only this user of the machine and root are served. `run` sets it: the loopback interface is shared"""
    order: tuple[str, ...] = ()
    """Connectors of the listeners, at least two: each is asked for what those before do not have"""
    volumes: Mapping[str, Mapping[str, str]] = {}
    """Volume name → file name → content: the volumes that the workload mounts by itself, in `VOLUMES_DIR`"""

    def variables(self) -> dict[str, str]:
        """The variables that the webhook writes, in a fixed order."""
        variables = {
            "SIDECAR_SHAPE": SHAPE,
            "SIDECAR_LISTEN": ",".join(
                f"{listener.connector}={listener.port}" for listener in self.listeners
            ),
            "SIDECAR_FILES": json.dumps(dict(self.files), separators=(",", ":")),
            "SIDECAR_CONFIG_DIR": self.config_dir,
            "SIDECAR_LOG_LEVEL": self.log_level,
        }
        if self.broker_url is not None:
            variables["SIDECAR_BROKER_URL"] = self.broker_url
            variables[BROKER_CA_VARIABLE] = self.broker_ca
            variables["SIDECAR_TOKEN_FILE"] = self.token_file
        if self.order:
            variables["SIDECAR_ORDER"] = ",".join(self.order)
        if self.volumes:
            volumes = {name: dict(files) for name, files in self.volumes.items()}
            variables["SIDECAR_VOLUMES"] = json.dumps(volumes, separators=(",", ":"))
        numbers = {"SIDECAR_GRANT_FD": self.grant_fd, "SIDECAR_PEER_UID": self.peer_uid}
        return variables | {name: str(number) for name, number in numbers.items() if number is not None}

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "Environment":
        """Read the variables, but ignore unknown ones. Raises a ContractError that names all problems."""
        reader = _Reader(variables)
        problems = reader.problems
        listeners = _parse_listeners(reader.text("LISTEN"), problems)
        files = _parse_files("SIDECAR_FILES", _parse_object(reader.text("FILES", "{}")), problems)
        order = _parse_order(reader.text("ORDER", ""), listeners, problems)
        volumes = _parse_volumes(reader.text("VOLUMES", "{}"), problems)
        grant_fd = reader.number("GRANT_FD")
        level = reader.text("LOG_LEVEL", "info")
        if level not in LOG_LEVELS:
            problems.append(f"SIDECAR_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
        url = None if grant_fd is not None else reader.text("BROKER_URL")
        if url and not variables.get(BROKER_CA_VARIABLE, "").strip():
            # without it, any authority of the system could vouch for a broker
            problems.append(f"{BROKER_CA_VARIABLE} holds no certificate")
        if url and not url.startswith("https://"):
            problems.append(f"SIDECAR_BROKER_URL must begin with https://, not {url!r}")
        environment = cls(
            listeners=listeners,
            files=files,
            config_dir=reader.text("CONFIG_DIR", CONFIG_DIR),
            log_level=level,
            broker_url=url,
            broker_ca="" if grant_fd is not None else reader.text("BROKER_CA"),
            token_file=reader.text("TOKEN_FILE", TOKEN_FILE),
            grant_fd=grant_fd,
            peer_uid=reader.number("PEER_UID"),
            order=order,
            volumes=volumes,
        )
        if problems:
            raise ContractError("the sidecar's environment is not usable: " + "; ".join(problems))
        return environment


class _Reader:
    """Reads variables, and collects the problems of all of them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get("SIDECAR_" + name, default)
        if value is None:
            self.problems.append(f"SIDECAR_{name} is not set")
        return value or ""

    def number(self, name: str) -> int | None:
        text = self._variables.get("SIDECAR_" + name)
        if text is None:
            return None
        if not _is_number(text):
            self.problems.append(f"SIDECAR_{name} must be a whole number, not {text!r}")
            return None
        return int(text)


def _is_number(text: str) -> bool:
    """Whether it has 1 to 10 digits of ASCII: `int` also takes digits of other scripts."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _parse_listeners(text: str, problems: list[str]) -> tuple[Listener, ...]:
    listeners = []
    for part in text.split(",") if text else []:
        connector, _, port = part.rpartition("=")
        if connector.count("/") != 1 or not _is_number(port) or not 0 < int(port) < 65536:
            problems.append(f"SIDECAR_LISTEN must read namespace/name=port, not {part!r}")
            continue
        listeners.append(Listener(connector, int(port)))
    return tuple(listeners)


def _parse_order(text: str, listeners: tuple[Listener, ...], problems: list[str]) -> tuple[str, ...]:
    order = tuple(text.split(",")) if text else ()
    listening = {listener.connector for listener in listeners}
    if not listening.issuperset(order) or len(set(order)) < len(order):
        problems.append(f"SIDECAR_ORDER must name connectors of SIDECAR_LISTEN once each, not {text!r}")
        return ()
    return order


def _parse_volumes(text: str, problems: list[str]) -> dict[str, dict[str, str]]:
    volumes = _parse_object(text)
    if volumes is None or any(_is_no_entry(name) for name in volumes):
        problems.append("SIDECAR_VOLUMES must be a JSON object of objects, by names of volumes")
        return {}
    return {name: _parse_files("SIDECAR_VOLUMES", files, problems) for name, files in volumes.items()}


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _parse_files(variable: str, files: object, problems: list[str]) -> dict[str, str]:
    if not isinstance(files, dict) or not all(isinstance(body, str) for body in files.values()):
        problems.append(f"{variable} must be a JSON object of texts")
        return {}
    for name in filter(_is_no_entry, files):
        problems.append(f"{variable} names {name!r}, which is no file name")
    return files


def _is_no_entry(name: str) -> bool:
    return "/" in name or name in ("", ".", "..")
