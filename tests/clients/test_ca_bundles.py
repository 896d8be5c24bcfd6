"""`check`, and `run` with pip, where the bundle holds the intermediate alone, in a text of old encoding."""

import base64
import json
from pathlib import Path

import pytest

from support.certificates.chains import make_chain
from support.clients.command_line import call
from support.machine.environments import environment
from support.servers.registry import Registry
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients


def manifests(address: str, bundle: bytes) -> str:
    data = {"ca.crt": base64.b64encode(bundle).decode()}
    secret = {"kind": "Secret", "metadata": {"name": "ca"}, "data": data}
    spec = {"connectorClassName": "pypi", "address": address, "caCertSecretRef": {"name": "ca"}}
    return (
        json.dumps(secret)
        + "\n---\n"
        + json.dumps({"kind": "Connector", "metadata": {"name": "c"}, "spec": spec})
    )


def test_the_intermediate_alone_is_trusted_by_check_and_run(tmp_path: Path) -> None:
    chain = make_chain(("localhost",))
    wheel = make_wheel(tmp_path, "chained", "1.0")
    body = wheel.read_bytes()
    with Registry(chain.context) as registry:
        page = f'<a href="/files/{wheel.name}">{wheel.name}</a>'.encode()
        registry.page("/simple/", b'<a href="chained/">chained</a>')
        registry.page("/simple/chained/", page)
        registry.on(f"/files/{wheel.name}", lambda call: call.reply(200, body))
        bundle = ("issuer=O = Müller GmbH\n" + chain.intermediate).encode("latin-1")
        given = manifests(registry.origin.replace("127.0.0.1", "localhost"), bundle)
        checked = call("check", "-f", "-", stdin=given)
        assert (checked.returncode, "the bundle holds PEM certificates" in checked.stdout) == (0, True)
        pip = str(environment("pip-newest") / "bin" / "pip")
        download = [pip, "--no-cache-dir", "download", "--no-deps", "-d", str(tmp_path / "out"), "chained"]
        result = call("run", "-f", "-", "--", *download, stdin=given)
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "out" / wheel.name).read_bytes() == body
