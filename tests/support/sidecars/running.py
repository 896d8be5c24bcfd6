"""Real sidecar processes, as a Pod or `run` starts them, and the smallest clients to talk to them.

`SIDECAR_UNDER_TEST=/some/folder` tests another copy of the package. So a fault can be planted in a
copy, to see that the tests find it.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sidecar.contract.environment import Environment, Listener
from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret
from support.certificates.authority import ca
from support.machine.ports import free_port
from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars import forms

if TYPE_CHECKING:
    from support.sidecars.grant_servers import Broker

PASSWORD = "canary-Pa55&word"
"""Searched for in every log line and every response of every sidecar that a test starts"""
CREDENTIAL = Credential("robot", Secret(PASSWORD))
_PAIR = b64encode(f"robot:{PASSWORD}".encode()).decode()
AUTHORIZATION = f"Basic {_PAIR}"
CONNECTOR = "team/pypi"

_COPY = os.environ.get("SIDECAR_UNDER_TEST")


def start_of(module: str) -> list[str]:
    """Python's arguments that run this module, of the package under test."""
    if _COPY is None:
        return ["-m", module]
    run = f"runpy.run_module({module!r}, run_name='__main__')"
    return ["-c", f"import runpy, sys; sys.path.insert(0, {_COPY!r}); {run}"]


def grant(registry: Registry, **changes: Any) -> Grant:
    """The broker's grant for that registry: installs and uploads, one credential, the whole origin."""
    index_url: str = changes.get("index_url", f"{registry.origin}/simple/")
    return Grant(
        version="v1",
        index_url=index_url,
        upload_url=f"{registry.origin}/upload/",
        file_origins=(),
        ca=ca(),
        credential=CREDENTIAL,
        soft_seconds=300,
        hard_seconds=3600,
        broker_ca=(),
        address="/".join(index_url.split("/")[:3]),
    )._replace(**changes)


class Reply:
    """A response as a client sees it."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status = response.status
        self.reason = response.reason
        self.body = body
        self.headers = [(name.lower(), value) for name, value in response.getheaders()]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def __repr__(self) -> str:
        return f"{self.status} {self.reason} {self.headers} {self.body[:200]!r}"


class Sidecar:
    """A sidecar's process that listens."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[dict[str, Any]] = []
        """Its log so far"""
        self.leaks = 0
        """Log lines with the credential in them"""
        self._is_ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        if self.process.stderr:
            self.process.stderr.close()

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One exchange on a new connection. It adds only Host and Content-Length."""
        return ask_once(self.port, method, target, body, headers)

    def upload(self, content: bytes, headers: Mapping[str, str] | None = None, target: str = "/") -> Reply:
        """Upload a file of this content."""
        return self.ask("POST", target, {"Content-Type": forms.TYPE, **(headers or {})}, forms.form(content))

    def get(self, target: str, **headers: str) -> Reply:
        return self.ask("GET", target, {name.replace("_", "-"): value for name, value in headers.items()})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)

    def exchange(self, data: bytes) -> bytes:
        """Send bytes unchanged; everything that comes back until the connection ends."""
        with self.connect() as sock:
            sock.sendall(data)
            return receive_all(sock)

    def wait_line(self, **fields: object) -> dict[str, Any]:
        """The first log line with these fields."""

        def found() -> dict[str, Any] | None:
            return next((one for one in self.lines if fields.items() <= one.items()), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._is_ended, PATIENCE_SECONDS)
            line = found()
        assert line, f"no line with {fields} among {self.lines}"
        return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self) -> None:
        assert self.process.stderr
        for text in self.process.stderr:
            with self._changed:
                self.leaks += holds_credential(text)
                self.lines.append(json.loads(text) if text.startswith("{") else {"raw": text})
                self._changed.notify_all()
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()


def ask_once(
    port: int, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Ask on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        return ask(connection, method, target, headers, body)
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    has_host = "Host" in (headers or {})
    connection.putrequest(method, target, skip_host=has_host, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    reply = Reply(response, response.read())
    assert not holds_credential(f"{reply.status} {reply.reason} {reply.headers}"), reply
    assert not holds_credential(reply.body.decode("latin-1")), reply
    return reply


def holds_credential(text: str) -> bool:
    """Whether the canary is in a text, plain or as in an Authorization header."""
    return PASSWORD in text or _PAIR in text


def receive_all(sock: socket.socket) -> bytes:
    found = b""
    while piece := sock.recv(65536):
        found += piece
    assert not holds_credential(found.decode("latin-1"))
    return found


def fill(sock: socket.socket, data: bytes, pause_seconds: float = 0.3) -> None:
    """Send again and again, until the other end takes nothing more."""
    sock.settimeout(pause_seconds)
    with contextlib.suppress(TimeoutError):
        while True:
            sock.send(data)


@contextmanager
def running_sidecar(folder: Path, document: Grant | str, **changes: Any) -> Iterator[Sidecar]:
    """A sidecar that gets its grant through an inherited descriptor, as from `run`."""
    reading, lifeline = os.pipe()
    try:
        text = document if isinstance(document, str) else json.dumps(document.document())
        os.write(lifeline, text.encode() + b"\n")
        with _running(_environment(folder, grant_fd=reading, **changes), (reading,)) as sidecar:
            yield sidecar
    finally:
        os.close(lifeline)
        os.close(reading)


@contextmanager
def sidecar_of_broker(
    folder: Path, broker: "Broker", *, variables: Mapping[str, str] | None = None, **changes: Any
) -> Iterator[Sidecar]:
    """A sidecar that asks a broker, as in a Pod; `variables` are its image's."""
    token = folder / "token"
    token.write_text("token-of-this-pod\n")
    settings = {"broker_url": broker.origin, "broker_ca": ca(), "token_file": str(token), **changes}
    with _running(_environment(folder, **settings), variables=variables) as sidecar:
        yield sidecar


def start(variables: Mapping[str, str], passed: tuple[int, ...] = ()) -> "subprocess.Popen[str]":
    """Start the process alone, with only these variables."""
    return subprocess.Popen(
        [sys.executable, "-I", *start_of("sidecar")],
        env=dict(variables),
        pass_fds=passed,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _environment(folder: Path, **changes: Any) -> Environment:
    settings: dict[str, Any] = {
        "listeners": (Listener(CONNECTOR, free_port()),),
        "files": {"pip.conf": "[global]\n"},
        "config_dir": str(folder / "config"),
        "log_level": "debug",
    }
    return Environment(**{**settings, **changes})


@contextmanager
def _running(
    environment: Environment, passed: tuple[int, ...] = (), variables: Mapping[str, str] | None = None
) -> Iterator[Sidecar]:
    port = environment.listeners[0].port
    sidecar = Sidecar(start({**(variables or {}), **environment.variables()}, passed), port)
    try:
        if environment.log_level in ("debug", "info"):
            sidecar.wait_line(message="listening", port=environment.listeners[-1].port)
        yield sidecar
    finally:
        sidecar.__exit__(None, None, None)
    assert not any("raw" in line for line in sidecar.lines), sidecar.lines  # a traceback
    assert not sidecar.leaks, sidecar.lines
