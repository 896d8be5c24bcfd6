"""Files for clients outside of injected Pods: the reference system's texts, as the clients read them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from twine.utils import get_repository_from_config

from sidecar.contract.secret import Secret
from webhook.clients.gateway_addresses import own_address, path_address
from webhook.clients.outside import Outside, outside_files
from webhook.errors import InvalidValue
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
    address = path_address(KEY, "https://pypi.example.com/base/")
    pip = texts(address)["pip.conf"]
    path = "base/namespaces/connectors-pypi-demo/connectors/pypi-connector"
    assert f"@pypi.example.com/{path}/simple/\n" in pip
    assert "trusted-host" not in pip
    assert f"repository = https://pypi.example.com/{path}/\n" in texts(address)[".pypirc"]


def test_the_texts_are_secrets() -> None:
    outside = Outside("http://c/", "a", Secret(TOKEN))
    assert TOKEN not in repr(outside) + repr(outside_files(outside))


# -- addresses

GATEWAY = "pypi-connector-gateway.pypi-connector-system.svc"


@pytest.mark.parametrize(
    "recorded",
    [
        f"http://{HOST}",
        f"http://{HOST}/",
        f"http://{HOST[:-14]}",
        f"http://{GATEWAY}.cluster.local/namespaces/{KEY.namespace}/connectors/{KEY.name}/",
        f"http://{GATEWAY}/namespaces/{KEY.namespace}/connectors/{KEY.name}",
    ],
)
def test_the_recorded_address_is_the_connectors_own(recorded: str) -> None:
    assert own_address(KEY, recorded) == recorded.rstrip("/") + "/"


@pytest.mark.parametrize(
    "recorded",
    [
        "",
        "http://127.0.0.1:28100",
        "http://evil.example",
        f"http://{HOST}.evil.example",
        f"http://{HOST}@evil.example",
        f"http://{HOST}:80@evil.example/",
        f"http://evil.example/{HOST}",
        f"http://{HOST}/x",
        f"http://{HOST}#@evil.example",
        f"http://{HOST}\n",
        f"HTTP://{HOST.upper()}",
        "http://c-other.connectors-pypi-demo.svc.cluster.local",
        "http://c-pypi-connector.other.svc.cluster.local",
        f"https://{HOST}",
        f"http://{GATEWAY}",
        f"http://{GATEWAY}/namespaces/{KEY.namespace}/connectors/other/",
        f"http://{GATEWAY}.evil.example/namespaces/{KEY.namespace}/connectors/{KEY.name}/",
    ],
)
def test_no_other_address_gets_a_token(recorded: str) -> None:
    assert own_address(KEY, recorded) is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example", "https://a.example/namespaces/n/connectors/c/"),
        ("https://a.example:8443/", "https://a.example:8443/namespaces/n/connectors/c/"),
        ("http://a/b/c", "http://a/b/c/namespaces/n/connectors/c/"),
    ],
)
def test_the_path_form_is_below_any_url(url: str, address: str) -> None:
    assert path_address(ConnectorKey("n", "c"), url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "https://user@a.example",
        "https://a.example?x",
        "https://a.example#x",
        "https://a.example:0",
        "https://a.example:x",
        "https://[::1",
        "https://a.example/ä",
        "https://a.example/a b",
        'https://a.example/"',
        "https://a.example/%2e",
        "https://a.example/\n[global]",
    ],
)
def test_another_url_is_a_sentence(url: str) -> None:
    with pytest.raises(InvalidValue, match="must read https://HOST"):
        path_address(ConnectorKey("n", "c"), url)
