"""`check` against registries that work, and against servers that only seem to."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support.machine.environments import clean
from support.servers.programs import RegistryServer
from webhook.demo.stage import Stage, set_stage

pytestmark = pytest.mark.clients

PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))


def check(manifests: str) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [PROGRAM, "check", "-f", "-"],
        input=manifests,
        capture_output=True,
        text=True,
        env=clean(),
        timeout=300,
        check=False,
    )
    assert "canary" not in result.stdout + result.stderr
    return result


def condition(result: "subprocess.CompletedProcess[str]", name: str) -> list[str]:
    """Status, reason and the first word of the message."""
    line = next(line for line in result.stdout.splitlines() if line.strip().startswith(f"{name} "))
    return line.split()[1:4]


class Elsewhere(BaseHTTPRequestHandler):
    """Some other server: answers everything alike."""

    status = 404
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Location", "/login")
        if self.body:
            self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(params=[200, 302, 404, 500])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[RegistryServer]:
    with running(type("Handler", (Elsewhere,), {"status": request.param})) as server:
        yield server


SIGN_IN = b"<!doctype html><html><head><title>Sign in</title></head><body><div id=app></div></body></html>"


@pytest.fixture
def web_interface() -> Iterator[RegistryServer]:
    """A single-page application: the same page for each path."""
    with running(type("Handler", (Elsewhere,), {"status": 200, "body": SIGN_IN})) as server:
        yield server


@contextmanager
def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[RegistryServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield RegistryServer(f"http://127.0.0.1:{server.server_port}", "robot", "canary-x", "simple/")
        server.shutdown()


def test_pypiserver_is_ready(pypiserver: RegistryServer) -> None:
    result = check(pypiserver.manifests())
    assert condition(result, "Ready")[:2] == ["True", "Valid"]
    assert result.returncode == 0


def test_devpi_is_ready(devpi: RegistryServer) -> None:
    assert condition(check(devpi.manifests()), "Ready")[:2] == ["True", "Valid"]


def test_a_wrong_credential_is_reported_with_the_fix(pypiserver: RegistryServer) -> None:
    wrong = RegistryServer(pypiserver.address, "robot", "canary-wrong", "simple/")
    result = check(wrong.manifests())
    assert condition(result, "AuthReady")[:2] == ["False", "AuthenticationFailed"]
    assert "correct user name and password in the Secret" in result.stdout
    assert result.returncode == 1


def test_a_server_that_is_no_index_is_not_ready(elsewhere: RegistryServer) -> None:
    result = check(elsewhere.manifests())
    assert condition(result, "Ready")[0] == "False"
    assert "check spec.address and the parameter indexPath" in result.stdout
    assert result.returncode == 1


def test_a_web_interface_is_no_index_and_named(web_interface: RegistryServer) -> None:
    """Installs from it fail with "No matching distribution found"."""
    result = check(web_interface.manifests())
    assert condition(result, "LivenessReady")[:2] == ["False", "NotAnIndex"]
    assert condition(result, "Ready")[:2] == ["False", "NotAnIndex"]
    assert 'status code 200, but no package index: a sign-in page, entitled "Sign in"' in result.stdout
    assert "spec.address is probably that of a web interface" in result.stdout
    assert "the registry's documents name the URL that pip uses" in result.stdout
    assert result.returncode == 1


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with set_stage() as found:
        yield found


def test_a_certificate_that_is_not_trusted_is_reported_with_the_fix(stage: Stage) -> None:
    registry = RegistryServer(stage.address, "ci-robot", stage.password.reveal(), "simple/")
    result = check(registry.manifests())
    assert condition(result, "LivenessReady") == ["False", "ConnectionFailed", "certificate"]
    assert "name it in spec.caCertSecretRef" in result.stdout
    assert result.returncode == 1


def test_run_names_the_fix_too(stage: Stage) -> None:
    registry = RegistryServer(stage.address, "ci-robot", stage.password.reveal(), "simple/")
    result = subprocess.run(
        [PROGRAM, "run", "-f", "-", "--", "sh", "-c", "curl -si ${PIP_INDEX_URL}x/"],
        input=registry.manifests(),
        capture_output=True,
        text=True,
        env=clean(),
        timeout=300,
        check=False,
    )
    assert "HTTP/1.1 502 cannot speak TLS with https://localhost" in result.stdout
    assert "certificate verify failed" in result.stderr
    assert "name it in spec.caCertSecretRef" in result.stderr
