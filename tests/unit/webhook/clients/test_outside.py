"""Files for clients outside of injected Pods: the reference system's texts, as the clients read them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from twine.utils import get_repository_from_config

from sidecar.contract.secret import Secret
from webhook.clients.outside import Outside, outside_files
from webhook.connector.proxy_address import path_url
from webhook.identifiers import ConnectorKey

KEY = ConnectorKey("connectors-pypi-demo", "pypi-connector")
HOST = "c-pypi-connector.connectors-pypi-demo.svc.cluster.local"
TOKEN = "eyJhbGciOiJEnEZaTQ"
DOCUMENTED = {
    "pip.conf": """\
[global]
index-url = http://connectors-pypi-demo-pypi-connector:eyJhbGciOiJEnEZaTQ@c-pypi-connector.connectors-pypi-demo.svc.cluster.local/simple/
timeout = 30

[install]
trusted-host = c-pypi-connector.connectors-pypi-demo.svc.cluster.local
""",
    ".pypirc": """\
[distutils]
index-servers = connectors-pypi

[connectors-pypi]
repository = http://c-pypi-connector.connectors-pypi-demo.svc.cluster.local/
username = connectors-pypi-demo-pypi-connector
password = eyJhbGciOiJEnEZaTQ
""",
}
"""As on the reference system's page"""


def texts(address: str = f"http://{HOST}/") -> dict[str, str]:
    outside = Outside(address, f"{KEY.namespace}-{KEY.name}", Secret(TOKEN))
    return {name: text.reveal() for name, text in outside_files(outside).items()}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_files_are_those_of_the_reference_page(name: str) -> None:
    assert texts()[name] == DOCUMENTED[name]


def test_pip_and_twine_read_them(tmp_path: Path) -> None:
    for name, text in texts().items():
        (tmp_path / name).write_text(text)
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    read = subprocess.run(command, env=clean, capture_output=True, text=True, check=True, timeout=60)
    assert read.stdout.strip() == f"http://connectors-pypi-demo-pypi-connector:{TOKEN}@{HOST}/simple/"
    repository = get_repository_from_config(str(tmp_path / ".pypirc"), "connectors-pypi")
    assert (repository["repository"], repository["password"]) == (f"http://{HOST}/", TOKEN)


def test_uv_has_one_index_and_no_other() -> None:
    document = tomllib.loads(texts()["uv.toml"])
    url = f"http://connectors-pypi-demo-pypi-connector:{TOKEN}@{HOST}/simple/"
    assert document == {"index": [{"url": url, "default": True}]}


def test_over_https_the_certificate_is_verified() -> None:
    """`trusted-host` would switch that off."""
    address = path_url(KEY, "https://pypi.example.com/base/")
    pip = texts(address)["pip.conf"]
    path = "base/namespaces/connectors-pypi-demo/connectors/pypi-connector"
    assert f"@pypi.example.com/{path}/simple/\n" in pip
    assert "trusted-host" not in pip
    assert f"repository = https://pypi.example.com/{path}/\n" in texts(address)[".pypirc"]


def test_the_texts_are_secrets() -> None:
    outside = Outside("http://c/", "a", Secret(TOKEN))
    assert TOKEN not in repr(outside) + repr(outside_files(outside))
