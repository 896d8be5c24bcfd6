"""A sidecar process on this machine: started from manifests, watched, ended with the command that uses it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sidecar.contract.environment import Environment, Listener
from sidecar.contract.grant import Grant
from sidecar.contract.words import Code, Line
from webhook.clients.endpoints import Endpoints, check_url, index_url, upload_url
from webhook.command.egress import unused_proxy
from webhook.command.loopback import free_port
from webhook.connector.registry import RegistryAccess, compose_grant
from webhook.console import Console
from webhook.errors import ConnectorsError
from webhook.pod import class_files

_FOREVER = 10.0**9
"""Seconds: the manifests are read once, so the grant has no end"""
_PORT_TRIES = 3
_START_SECONDS = 10.0
_END_SECONDS = 2.0  # then requests under way are cut off: the command that made them has ended
_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PATH", "LANG", "TZ")
"""Variables that the proxy needs, among them where the CAs of this machine are. It gets no others"""


class ProxyFailed(ConnectorsError):
    """The proxy did not start; the text is the proxy's own sentence."""


@dataclass(frozen=True, slots=True)
class RunningProxy:
    port: int
    config_dir: str
    endpoints: Endpoints


@contextmanager
def running_proxy(
    registries: Sequence[RegistryAccess],
    environment: Mapping[str, str],
    console: Console,
    *,
    port: int | None,
    is_verbose: bool = False,
) -> Iterator[RunningProxy]:
    """A sidecar process that ends with the block, and with this process, even if that is killed.

    The first registry is the clients' index, at `port`, and takes uploads. Each of the others is asked for
    what those before it do not have.
    """
    folder = Path(tempfile.mkdtemp(prefix="pypi-connector-"))
    try:
        tries = 1 if port else _PORT_TRIES
        for remaining in reversed(range(tries)):
            chosen = port or free_port()
            endpoints = _endpoints(registries, chosen)
            try:
                process, lifeline, watcher = _start(
                    registries, environment, endpoints, chosen, folder, console, is_verbose=is_verbose
                )
                break
            except ProxyFailed:
                if not remaining:
                    raise
        try:
            yield RunningProxy(chosen, str(folder), endpoints)
        finally:
            os.close(lifeline)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            process.wait()
            watcher.finish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _endpoints(registries: Sequence[RegistryAccess], port: int) -> Endpoints:
    may_upload = registries[0].connector.access == "readwrite"
    return Endpoints(
        index_url=index_url(port),
        upload_url=upload_url(port) if may_upload else None,
        upload_check_url=check_url(port, is_followed=len(registries) > 1) if may_upload else None,
        admits_extra_indexes=all(registry.connector.extra_indexes == "allow" for registry in registries),
    )


def _grants(registries: Sequence[RegistryAccess]) -> bytes:
    """A line for each registry. The first takes uploads, if its Connector allows them."""
    lines = [
        json.dumps(_grant(registry, is_target=position == 0).document()).encode() + b"\n"
        for position, registry in enumerate(registries)
    ]
    return b"".join(lines)


def _files(registry: RegistryAccess, endpoints: Endpoints, folder: Path, console: Console) -> dict[str, str]:
    """All files of the class: a command has no annotation that could choose."""
    connector = registry.connector
    own = connector.connector_class.configuration_names
    rendered = class_files.configuration_files(connector, endpoints, own=own, directory=str(folder))
    for warning in class_files.warnings(connector, rendered):
        console.line(f"pypi-connector: warning: {warning}", "yellow")
    return {name: text for texts in rendered.configurations.values() for name, text in texts.items()}


def _grant(registry: RegistryAccess, *, is_target: bool) -> Grant:
    return compose_grant(
        registry,
        version="file",
        may_upload=is_target and registry.connector.access == "readwrite",
        soft_seconds=_FOREVER,
        hard_seconds=_FOREVER,
    )


def _start(
    registries: Sequence[RegistryAccess],
    environment: Mapping[str, str],
    endpoints: Endpoints,
    port: int,
    folder: Path,
    console: Console,
    *,
    is_verbose: bool,
) -> tuple["subprocess.Popen[str]", int, "_Watcher"]:
    """The process, the pipe that it lives on, and the reader of its log."""
    files = _files(registries[0], endpoints, folder, console)
    grant_fd, lifeline = os.pipe()
    settings = _settings(registries, files, port, folder, grant_fd)
    passed_on = {name: environment[name] for name in _PASSED_ON if name in environment}
    try:
        process = _spawn({**passed_on, **settings.variables()}, grant_fd)
    finally:
        os.close(grant_fd)
    notes = [unused_proxy(environment, registry.connector.index_url) for registry in registries]
    proxy_note = next(filter(None, notes), None)
    watcher = _Watcher(process, console, len(registries), is_verbose=is_verbose, proxy_note=proxy_note)
    try:
        # a CA bundle can be larger than a pipe: the reader runs already
        with suppress(BrokenPipeError):
            _write_all(lifeline, _grants(registries))
        watcher.wait_until_listening()
    except BaseException:
        os.close(lifeline)
        process.kill()
        process.wait()
        raise
    return process, lifeline, watcher


def _settings(
    registries: Sequence[RegistryAccess], files: Mapping[str, str], port: int, folder: Path, grant_fd: int
) -> Environment:
    """A listener for each registry. Several are an order to look in."""
    names = [str(registry.connector.key) for registry in registries]
    ports = [port, *(free_port() for _ in names[1:])]
    return Environment(
        listeners=tuple(map(Listener, names, ports)),
        files=files,
        config_dir=str(folder),
        grant_fd=grant_fd,
        peer_uid=os.getuid(),
        order=tuple(names) if len(names) > 1 else (),
    )


def _spawn(environment: Mapping[str, str], grant_fd: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "sidecar"],
        env=environment,
        pass_fds=[grant_fd],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the command; the proxy ends after it
    )


class _Watcher:
    """Reads the proxy's log: it knows when the proxy listens or why it failed, and prints refusals."""

    def __init__(
        self,
        process: "subprocess.Popen[str]",
        console: Console,
        listeners: int,
        *,
        is_verbose: bool,
        proxy_note: str | None = None,
    ) -> None:
        """`proxy_note`: printed once, if the registry cannot be connected to."""
        self._console = console
        self._awaited = listeners
        self._proxy_note = proxy_note
        self._is_verbose = is_verbose
        self._settled = threading.Event()
        self._failure: str | None = "the proxy ended before it listened"
        self._thread = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._thread.start()

    def wait_until_listening(self) -> None:
        if not self._settled.wait(_START_SECONDS):
            raise ProxyFailed(f"the proxy did not listen within {_START_SECONDS:.0f} s")
        if self._failure:
            raise ProxyFailed(self._failure)

    def finish(self) -> None:
        """Wait until the last lines are printed: a refusal at the end of the command is among them."""
        self._thread.join(_END_SECONDS)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                try:
                    self._take(json.loads(line))
                except ValueError:
                    self._console.line(f"pypi-connector: {line.rstrip()}")
        self._settled.set()

    def _take(self, event: Mapping[str, Any]) -> None:
        message = event.get("message")
        if message == Line.LISTENING:
            self._awaited -= 1
            if not self._awaited:
                self._failure = None
                self._settled.set()
        elif message == Line.CANNOT_START:
            self._failure = str(event.get("detail"))
        elif message == Line.REQUEST and (self._is_verbose or event.get("level") == "warning"):
            name = event.get("file") or event.get("package") or ""
            parts = [event.get("method"), event.get("action"), name, event.get("status"), event.get("detail")]
            timing = [f"{event.get('bytes')} octets", f"{event.get('ms')} ms"] if self._is_verbose else []
            self._console.line("pypi-connector: " + " ".join(str(part) for part in [*parts, *timing] if part))
        elif event.get("level") in ("warning", "error") and message != Line.REQUEST:
            self._console.line(f"pypi-connector: {event.get('detail') or message}")
        if self._proxy_note and event.get("reason") == Code.REGISTRY_UNREACHABLE:
            self._console.line(f"pypi-connector: {self._proxy_note}")
            self._proxy_note = None


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
