"""The shape of our container, for every version that may still run in a Pod. Pure data.

`contract.words.SHAPE` is the version that is injected today. A change that the broker could notice takes the
next number. The earlier version is then written down here literally, because the code that it came from goes
on changing. So an upgrade of the broker cuts off no running Pod. `tests/shapes/<version>/` holds a Pod of
each earlier version.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from certs.bundle import split_bundle
from sidecar.contract.words import LOG_LEVELS
from webhook import names
from webhook.identifiers import is_label
from webhook.pod import start_gate
from webhook.pod.settings import Settings

Check = Callable[[str, Settings], bool]

_KEY = r"[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*"
_LISTEN = re.compile(rf"{_KEY}=[1-9][0-9]{{0,4}}(,{_KEY}=[1-9][0-9]{{0,4}})*")
_FILES = frozenset({names.PIP_CONF, names.PYPIRC, names.UV_TOML})
_ORDER = re.compile(rf"{_KEY}(,{_KEY})+")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*")  # neither a path, nor `.` or `..`


@dataclass(frozen=True, slots=True)
class Shape:
    """One version of our container."""

    command: tuple[str, ...]
    start_gate: Callable[[Sequence[int]], Sequence[str]]
    """Ports → the `postStart` command"""
    termination_message_policy: str
    variables: Mapping[str, Check]
    """Each occurs once, as a plain text that passes its check; no other variable begins with `SIDECAR_`"""
    mounts: Mapping[str, Mapping[str, Any]]
    """Volume → its mount"""
    optional_variables: Mapping[str, Check] = field(default_factory=dict)
    """Each occurs at most once, as a plain text that passes its check"""


def listened_ports(listen: str) -> tuple[int, ...]:
    """The ports in a value of `SIDECAR_LISTEN` that passed its check."""
    return tuple(int(part.rpartition("=")[2]) for part in listen.split(","))


def volume_mounts(volumes: str) -> dict[str, Mapping[str, Any]]:
    """Volume → its mount, of a value of `SIDECAR_VOLUMES` that passed its check."""
    return {name: {"mountPath": f"/etc/pypi-connector-volumes/{name}"} for name in json.loads(volumes)}


def _is(text: str) -> Check:
    return lambda value, _: value == text


def _is_listen(value: str, _: Settings) -> bool:
    return bool(_LISTEN.fullmatch(value))


def _is_files(value: str, _: Settings) -> bool:
    """The names must be ours. The contents configure the workload's own clients, so any text passes."""
    try:
        files = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(files, dict) and files.keys() <= _FILES


def _are_plain_files(files: object) -> bool:
    """Files of a class have names of their own."""
    return isinstance(files, dict) and all(map(_FILE_NAME.fullmatch, files))


def _is_plain_files(value: str, _: Settings) -> bool:
    try:
        return _are_plain_files(json.loads(value))
    except (ValueError, RecursionError):
        return False


def _is_volumes(value: str, _: Settings) -> bool:
    try:
        volumes = json.loads(value)
    except (ValueError, RecursionError):
        return False
    is_named = (
        isinstance(volumes, dict) and all(map(is_label, volumes)) and volumes.keys().isdisjoint(_MOUNTS)
    )
    return is_named and all(map(_are_plain_files, volumes.values()))


def _is_order(value: str, _: Settings) -> bool:
    return bool(_ORDER.fullmatch(value))


def _is_log_level(value: str, _: Settings) -> bool:
    return value in LOG_LEVELS


def _is_broker_url(value: str, settings: Settings) -> bool:
    """Another address could collect tokens."""
    return value == settings.broker_url


def _is_broker_ca(value: str, settings: Settings) -> bool:
    """Each certificate is of our authorities, past or present. The value holds nothing else that a TLS
    library would read, such as `BEGIN TRUSTED CERTIFICATE`."""
    ours = {_bare(certificate) for certificate in settings.broker_ca}
    certificates = split_bundle(value)
    only_certificates = value.count("-----BEGIN") == len(certificates)
    return bool(certificates) and only_certificates and set(map(_bare, certificates)) <= ours


def _bare(certificate: str) -> str:
    return "".join(certificate.split())


_VARIABLES: Mapping[str, Check] = {
    "SIDECAR_LISTEN": _is_listen,
    "SIDECAR_FILES": _is_files,
    "SIDECAR_CONFIG_DIR": _is("/etc/pypi-connector"),
    "SIDECAR_LOG_LEVEL": _is_log_level,
    "SIDECAR_BROKER_URL": _is_broker_url,
    "SIDECAR_BROKER_CA": _is_broker_ca,
    "SIDECAR_TOKEN_FILE": _is("/var/run/secrets/pypi-connector/token"),
}

_MOUNTS: Mapping[str, Mapping[str, Any]] = {
    names.CONFIG_VOLUME: {"mountPath": "/etc/pypi-connector"},
    names.TOKEN_VOLUME: {"mountPath": "/var/run/secrets/pypi-connector", "readOnly": True},
    names.EMPTY_VOLUME: {"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
}

_GATE_50_MS = """\
steps=$(($1 * 20)); shift
for port in "$@"; do
  until grep -Eq " (0100007F|7F000001):$(printf %04X "$port") [0-9A-F]+:[0-9A-F]+ 0A " /proc/net/tcp; do
    if [ "$steps" -le 0 ]; then
      echo "pypi-connector does not listen on 127.0.0.1:$port: see the log of this container" >&2
      exit 1
    fi
    steps=$((steps - 1)); sleep 0.05
  done
done
"""

_GATE_10_MS = """\
steps=$(($1 * 100)); shift
for port in "$@"; do
  listens=" (0100007F|7F000001):$(printf %04X "$port") [0-9A-F]+:[0-9A-F]+ 0A "
  until grep -Eq "$listens" /proc/net/tcp; do
    if [ "$steps" -le 0 ]; then
      echo "pypi-connector does not listen on 127.0.0.1:$port: see the log of this container" >&2
      exit 1
    fi
    steps=$((steps - 1)); sleep 0.01
  done
done
"""

KNOWN: Mapping[str, Shape] = {
    # before the first release: the gate watched only the first port, and no log became a termination message
    "0": Shape(
        command=("python3", "-I", "-m", "sidecar"),
        start_gate=lambda ports: ["sh", "-c", _GATE_50_MS, "start-gate", "20", str(ports[0])],
        termination_message_policy="File",
        variables={**_VARIABLES, "SIDECAR_SHAPE": _is("0")},
        mounts=_MOUNTS,
    ),
    # the gate looked every 50 ms
    "1": Shape(
        command=("python3", "-I", "-m", "sidecar"),
        start_gate=lambda ports: ["sh", "-c", _GATE_50_MS, "start-gate", "20", *map(str, ports)],
        termination_message_policy="FallbackToLogsOnError",
        variables={**_VARIABLES, "SIDECAR_SHAPE": _is("1")},
        mounts=_MOUNTS,
    ),
    # one folder of files with our names, and no order of connectors
    "2": Shape(
        command=("python3", "-I", "-m", "sidecar"),
        start_gate=lambda ports: ["sh", "-c", _GATE_10_MS, "start-gate", "20", *map(str, ports)],
        termination_message_policy="FallbackToLogsOnError",
        variables={**_VARIABLES, "SIDECAR_SHAPE": _is("2")},
        mounts=_MOUNTS,
    ),
    "3": Shape(
        command=("python3", "-I", "-m", "sidecar"),
        start_gate=start_gate.command,
        termination_message_policy="FallbackToLogsOnError",
        variables={**_VARIABLES, "SIDECAR_SHAPE": _is("3"), "SIDECAR_FILES": _is_plain_files},
        mounts=_MOUNTS,
        optional_variables={"SIDECAR_ORDER": _is_order, "SIDECAR_VOLUMES": _is_volumes},
    ),
}
