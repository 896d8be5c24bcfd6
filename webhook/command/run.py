"""`pypi-connector run`: the sidecar's proxy for a command on this machine, from a cluster's manifests."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from webhook.clients.endpoints import index_url
from webhook.command.client_settings import ClientSettings, client_settings
from webhook.command.local_proxy import running_proxy
from webhook.connector.packages import describe
from webhook.connector.registry import RegistryAccess
from webhook.console import Console
from webhook.errors import InputError
from webhook.pod.reasons import Reason

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell (POSIX, Shell Command Language §2.8.2)"""

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_command(
    command: Sequence[str],
    registries: Sequence[RegistryAccess],
    environment: Mapping[str, str],
    console: Console,
    *,
    port: int | None,
    is_verbose: bool,
) -> int:
    """Run the command with clients configured. Returns its exit code, 128 + N if signal N ended it.

    `registries` are in order: the first is the clients' index.
    """
    with running_proxy(registries, environment, console, port=port, is_verbose=is_verbose) as proxy:
        for position, registry in enumerate(registries):
            place = f"is at {index_url(proxy.port)} for {command[0]}"
            if position:
                place = "is asked for what it does not have" if position == 1 else "is asked after that"
            console.line(f"pypi-connector: {registry.connector.key} {place} ({_describe(registry)})")
            if registry.warning:
                console.line(f"pypi-connector: warning: {registry.warning.message}", "yellow")
            if registry.connector.packages:
                console.line(f"pypi-connector: {describe(registry.connector.packages)}")
        settings = client_settings(environment, proxy)
        _report(settings, registries, console)
        return _execute(command, settings.variables, console)


def _report(settings: ClientSettings, registries: Sequence[RegistryAccess], console: Console) -> None:
    """Say what differs from the environment. `InputError` where a Connector refuses other indexes."""
    strict = [one.connector.key for one in registries if one.connector.extra_indexes == "refuse"]
    if settings.further and strict:
        sentences = "; ".join(settings.further)
        fix = f"Connector {strict[0]} refuses indexes beside it (extraIndexes)"
        raise InputError.of(Reason.EXTRA_INDEX, sentences, fix)
    if settings.replaced:
        console.line(f"pypi-connector: replaced in the environment: {', '.join(settings.replaced)}")
    for sentence in (*settings.further, *settings.hindrances):
        console.line(f"pypi-connector: {sentence}")


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
