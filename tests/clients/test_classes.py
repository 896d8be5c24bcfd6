"""`run` with a ConnectorClass: pip and uv read what its templates say, and nothing leads them elsewhere."""

import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clients.command_line import call
from support.machine.environments import environment
from support.servers.registry import Registry
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

WHEEL = "strict_demo-1.0-py3-none-any.whl"
UV = str(Path(sysconfig.get_path("scripts"), "uv"))
PIP_CONF = """\
[global]
timeout = 61
index-url = {{ index_url }}

[install]
require-hashes = true
constraint = {{ directory }}/constraints.txt
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    body = make_wheel(tmp_path, "strict-demo", "1.0").read_bytes()
    with Registry() as registry:
        page = f'<html><body><a href="/files/{WHEEL}">{WHEEL}</a></body></html>'.encode()
        registry.page("/simple/strict-demo/", page)
        registry.on(f"/files/{WHEEL}", lambda call: call.reply(200, body))
        yield registry


def manifests(registry: Registry, *, constraints: str = "", **data: str) -> str:
    configurations: list[dict[str, Any]] = [
        {"name": {"pip.conf": "pipconf", "uv.toml": "uv"}[file], "data": {file: text}}
        for file, text in data.items()
    ]
    configurations.append({"name": "pip-extra", "data": {"constraints.txt": constraints + "\n"}})
    kind = {"kind": "ConnectorClass", "metadata": {"name": "pypi-strict"}}
    spec = {"connectorClassName": "pypi-strict", "address": registry.origin}
    connector = {"kind": "Connector", "metadata": {"name": "c"}, "spec": spec}
    return "\n---\n".join(map(json.dumps, [{**kind, "spec": {"configurations": configurations}}, connector]))


def run(registry: Registry, tmp_path: Path, *command: str, constraints: str = "", **data: str) -> Any:
    stdin = manifests(registry, constraints=constraints, **data)
    return call("run", "-f", "-", "--", *command, stdin=stdin, folder=tmp_path)


def pip(*arguments: str) -> list[str]:
    return [str(environment("pip-newest") / "bin" / "pip"), "--no-cache-dir", *arguments]


def test_pip_reads_timeout_and_hashes_of_the_class(registry: Registry, tmp_path: Path) -> None:
    listed = run(registry, tmp_path, *pip("config", "list"), **{"pip.conf": PIP_CONF})
    assert "global.timeout='61'" in listed.stdout
    assert "install.require-hashes='true'" in listed.stdout
    install = pip("install", "--no-deps", "--target", str(tmp_path / "target"), "strict-demo")
    refused = run(registry, tmp_path, *install, **{"pip.conf": PIP_CONF})
    assert refused.returncode
    assert "In --require-hashes mode, all requirements must have their versions pinned" in refused.stderr
    allowed = run(registry, tmp_path, *install, **{"pip.conf": "[global]\ntimeout = 61\n"})
    assert allowed.returncode == 0, allowed.stderr
    assert registry.seen(f"/files/{WHEEL}")


def test_pip_obeys_a_file_that_the_class_adds(registry: Registry, tmp_path: Path) -> None:
    text = PIP_CONF.replace("require-hashes = true\n", "")
    install = pip("install", "--no-deps", "--target", str(tmp_path / "target"), "strict-demo")
    done = run(registry, tmp_path, *install, constraints="strict-demo<1", **{"pip.conf": text})
    assert done.returncode
    assert "ResolutionImpossible" in done.stderr


def test_uv_reads_its_settings_of_the_class(registry: Registry, tmp_path: Path) -> None:
    folder = ["--python", sys.executable, "--target", str(tmp_path / "target")]
    install = [UV, "pip", "install", *folder, "strict-demo"]
    script = f'UV_CONFIG_FILE="$(dirname "$PIP_CONFIG_FILE")/uv.toml" exec {" ".join(install)}'
    text = "[pip]\nrequire-hashes = true\n"
    refused = run(registry, tmp_path, "sh", "-c", script, **{"uv.toml": text})
    assert refused.returncode
    assert "--require-hashes" in refused.stderr
    allowed = run(registry, tmp_path, "sh", "-c", script, **{"uv.toml": "no-build = true\n"})
    assert allowed.returncode == 0, allowed.stderr


def test_a_template_that_names_another_index_is_left_out_with_a_warning(
    registry: Registry, tmp_path: Path
) -> None:
    with Registry() as elsewhere:
        text = f"[:env:]\nextra-index-url = {elsewhere.origin}/simple/\n"
        install = pip("install", "--no-deps", "--target", str(tmp_path / "target"), "strict-demo")
        done = run(registry, tmp_path, *install, **{"pip.conf": text})
        assert done.returncode == 0, done.stderr
        assert "names another source of packages" in done.stderr
        assert "the built-in file is used" in done.stderr
        assert elsewhere.requests == []


def test_that_very_file_would_have_led_pip_elsewhere(registry: Registry, tmp_path: Path) -> None:
    """The control of the test above: pip believes such a section."""
    with Registry() as elsewhere:
        config = tmp_path / "own.conf"
        config.write_text(f"[:env:]\nextra-index-url = {elsewhere.origin}/simple/\n")
        command = ["env", "-u", "PIP_EXTRA_INDEX_URL", f"PIP_CONFIG_FILE={config}"]
        run(registry, tmp_path, *command, *pip("download", "strict-demo"))
        assert elsewhere.requests
