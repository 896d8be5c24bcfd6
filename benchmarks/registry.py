"""The https registry of all subjects: nginx with a certificate of a private CA and a password."""

import base64
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import nginx
from benchmarks.content import write_content
from benchmarks.machine import clean_environment, free_port
from benchmarks.processes import Service
from certs.authority import create_authority, issue_leaf

USERNAME = "bench"
PASSWORD = "bench-password"


@dataclass(frozen=True, slots=True)
class Registry:
    port: int
    ca: str
    """PEM"""
    ca_file: Path

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca)


@contextmanager
def run_registry(program: str, folder: Path) -> Iterator[Registry]:
    """Write the registry's files, start it, and end it."""
    folder.mkdir()
    port = free_port()
    registry = Registry(port, *_write_certificates(folder))
    write_content(folder / "root", registry.origin)
    (folder / "htpasswd").write_text(f"{USERNAME}:{{PLAIN}}{PASSWORD}\n")  # a hash would cost each request
    sink = folder / "sink"
    configuration = folder / "nginx.conf"
    configuration.write_text(
        nginx.registry(folder, port, folder / "tls.crt", folder / "tls.key", folder / "htpasswd", sink)
    )
    environment = clean_environment(folder)
    with ExitStack() as stack:
        script = str(Path(__file__).with_name("sink.py"))
        sink_command = [sys.executable, "-I", "-S", script, str(sink)]
        stack.enter_context(Service(sink_command, environment, folder / "sink.log"))
        command = [program, "-c", str(configuration), "-e", "stderr"]
        stack.enter_context(Service(command, environment, folder / "nginx.log"))
        yield registry


def _write_certificates(folder: Path) -> tuple[str, Path]:
    now = datetime.now(UTC)
    authority = create_authority(now)
    leaf = issue_leaf(authority, ["localhost", "127.0.0.1"], now)
    for name, text in (
        ("ca.crt", authority.certificate),
        ("tls.crt", leaf.certificate),
        ("tls.key", leaf.key),
    ):
        (folder / name).write_text(text)
    return authority.certificate, folder / "ca.crt"
