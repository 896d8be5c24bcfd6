"""Credentials of one half, as a token for a user name: `check`, and `run` with pip, over TLS."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates.authority import ca, server_context
from support.clients.command_line import call
from support.machine.environments import environment
from support.servers.registry import Call, Registry
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

WHEEL = "half_key-1.0-py3-none-any.whl"
HALVES = pytest.mark.parametrize(
    ("values", "pair", "half"),
    [
        ({"username": "canary-tok3n", "password": ""}, "canary-tok3n:", "no password"),
        ({"username": "canary-tok3n"}, "canary-tok3n:", "no password"),
        ({"password": "canary-tok3n"}, ":canary-tok3n", "no user name"),
    ],
    ids=["empty password", "no password", "no user name"],
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    wheel = make_wheel(tmp_path, "half-key", "1.0")
    assert wheel.name == WHEEL
    body = wheel.read_bytes()

    with Registry(server_context()) as registry:
        page = f'<html><body><a href="/files/{WHEEL}">{WHEEL}</a></body></html>'.encode()
        registry.page("/simple/half-key/", page)
        registry.on(f"/files/{WHEEL}", lambda call: call.reply(200, body))
        yield registry


def manifests(registry: Registry, values: dict[str, str]) -> str:
    login = {"kind": "Secret", "metadata": {"name": "s"}, "type": "kubernetes.io/basic-auth"}
    bundle = {"kind": "Secret", "metadata": {"name": "ca"}, "stringData": {"ca.crt": ca()}}
    spec = {
        "connectorClassName": "pypi",
        "address": registry.origin,
        "auth": {"name": "basicAuth", "secretRef": {"name": "s"}},
        "caCertSecretRef": {"name": "ca"},
        "params": [{"name": "probePackage", "value": "half-key"}],
    }
    connector = {"kind": "Connector", "metadata": {"name": "c"}, "spec": spec}
    documents = [{**login, "stringData": values}, bundle, connector]
    return "\n---\n".join(map(json.dumps, documents))


def authorizations(registry: Registry) -> set[str | None]:
    return {request.header("authorization") for request in registry.requests}


@HALVES
def test_check_is_ready_with_a_warning(
    registry: Registry, values: dict[str, str], pair: str, half: str
) -> None:
    result = call("check", "-f", "-", stdin=manifests(registry, values))
    assert result.returncode == 0, result.stdout
    assert f'secret "s" has {half}' in result.stdout
    assert authorizations(registry) == {"Basic " + b64encode(pair.encode()).decode()}


@HALVES
def test_pip_downloads_through_run(
    registry: Registry, tmp_path: Path, values: dict[str, str], pair: str, half: str
) -> None:
    pip = str(environment("pip-newest") / "bin" / "pip")
    command = [pip, "--no-cache-dir", "download", "--no-deps", "-d", str(tmp_path / "out"), "half-key"]
    result = call("run", "-v", "-f", "-", "--", *command, stdin=manifests(registry, values))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / WHEEL).exists()
    assert f'warning: secret "s" has {half}' in result.stderr
    assert authorizations(registry) == {"Basic " + b64encode(pair.encode()).decode()}


@pytest.mark.parametrize("status", [401, 403, 404, 200])
def test_a_token_for_a_user_name_is_in_no_answer_and_in_no_line(
    registry: Registry, tmp_path: Path, status: int
) -> None:
    """A registry may quote the user name: in pages, headers, errors and redirects."""
    quotes = b"<title>canary-tok3n</title><a href='https://canary-tok3n:@elsewhere/x-1.0.zip'>x</a>"

    def quote(call: Call) -> None:
        call.reply(status, quotes if status != 200 else b"{}", {"X-User": "canary-tok3n"})

    registry.on("*", quote)
    registry.on("/simple/half-key/", quote)
    given = manifests(registry, {"username": "canary-tok3n", "password": ""})
    call("check", "-f", "-", stdin=given)  # it looks for the canary
    script = "curl -si ${PIP_INDEX_URL}half-key/ ${PIP_INDEX_URL%simple/}files/x-1.0.zip"
    result = call("run", "-v", "-f", "-", "--", "sh", "-c", script, stdin=given)
    assert f"HTTP/1.1 {403 if status == 401 else status} " in result.stdout
