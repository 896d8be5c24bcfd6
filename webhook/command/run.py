"""`pypi-connector run`: the sidecar's proxy for a command on this machine, from a cluster's manifests."""

import signal
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence

from webhook.clients import variables
from webhook.clients.endpoints import index_url
from webhook.clients.no_proxy import bypass_loopback
from webhook.command.local_proxy import RunningProxy, running_proxy
from webhook.connector.packages import describe
from webhook.connector.registry import RegistryAccess
from webhook.console import Console

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell (POSIX, Shell Command Language §2.8.2)"""

_REMOVED = ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX")
"""Another index would win over the private index with any higher version (dependency confusion)"""
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_command(
    command: Sequence[str],
    registry: RegistryAccess,
    environment: Mapping[str, str],
    console: Console,
    *,
    port: int | None,
    is_verbose: bool,
) -> int:
    """Run the command with clients configured. Returns its exit code, 128 + N if signal N ended it."""
    with running_proxy(registry, environment, console, port=port, is_verbose=is_verbose) as proxy:
        console.line(
            f"pypi-connector: {registry.connector.key} is at {index_url(proxy.port)} "
            f"for {command[0]} ({_describe(registry)})"
        )
        if registry.warning:
            console.line(f"pypi-connector: warning: {registry.warning.message}", "yellow")
        if registry.connector.packages:
            console.line(f"pypi-connector: {describe(registry.connector.packages)}")
        client_variables, replaced = client_environment(environment, proxy)
        if replaced:
            console.line(f"pypi-connector: replaced in the environment: {', '.join(replaced)}")
        return _execute(command, client_variables, console)


def client_environment(
    environment: Mapping[str, str], proxy: RunningProxy
) -> tuple[dict[str, str], list[str]]:
    """The command's environment, and the names of the variables that pointed to another registry."""
    added = {
        name: value
        for group in variables.groups(proxy.endpoints, config_dir=proxy.config_dir).values()
        for name, value in group.items()
    }
    rivals = [name for group in variables.RIVALS.values() for name in group]
    result: MutableMapping[str, str] = dict(environment)
    replaced = [name for name in added if environment.get(name) not in (None, added[name])]
    removed = [name for name in (*_REMOVED, *rivals) if result.pop(name, None) is not None]
    result.update(added)
    entries = [{"name": name, "value": value} for name, value in result.items()]
    entries, _ = bypass_loopback(entries)
    return {entry["name"]: entry["value"] for entry in entries}, sorted([*replaced, *removed])


def _execute(command: Sequence[str], environment: Mapping[str, str], console: Console) -> int:
    forwarder = _Forwarder()
    try:
        process = subprocess.Popen(command, env=environment)
    except FileNotFoundError:
        console.line(f"pypi-connector: {command[0]}: command not found")
        return NOT_FOUND
    except OSError as error:
        console.line(f"pypi-connector: {command[0]}: {(error.strerror or 'cannot be run').lower()}")
        return NOT_EXECUTABLE
    forwarder.send_to(process)
    code = process.wait()
    return 128 - code if code < 0 else code


class _Forwarder:
    """Forwards signals to the command. Signals that come before its start wait for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        for number in _FORWARDED:
            signal.signal(number, self._take)
        # at a terminal the command is in the same group and has its Ctrl-C already
        signal.signal(signal.SIGINT, (lambda *_: None) if sys.stdin.isatty() else self._take)

    def send_to(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        while self._waiting:
            process.send_signal(self._waiting.pop(0))

    def _take(self, number: int, _: object) -> None:
        if self._process is None:
            self._waiting.append(number)
        else:
            self._process.send_signal(number)


def _describe(registry: RegistryAccess) -> str:
    if registry.credential is None:
        return "anonymous"
    return f"credential of Secret {registry.connector.secret_name}, which the command does not see"
