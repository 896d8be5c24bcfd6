"""Client configuration files, read by the clients themselves."""

import configparser
import os
import re
import subprocess
import sys
import sysconfig
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from twine.utils import get_config, get_repository_from_config

from webhook.clients import files
from webhook.clients.variables import groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

PYPI, SHARED, UPLOADS = map(ConnectorKey.parse, ("team-a/pypi", "registries/shared", "b/c"))
PORTS = {PYPI: 28200, SHARED: 28300, UPLOADS: 28400}
SINGLE = endpoints(Request(connectors=(PYPI,)), PORTS)
OTHER = endpoints(Request(connectors=(PYPI, SHARED), publish_connectors=(UPLOADS,)), PORTS)
SEVERAL = endpoints(Request(connectors=(PYPI, SHARED), publish_connectors=(UPLOADS, PYPI)), PORTS)
SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_pip_conf_has_the_reference_systems_options() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(files.files(SINGLE)["pip.conf"])
    assert parser["global"]["index-url"] == "http://127.0.0.1:28200/simple/"
    assert parser["global"]["timeout"] == "30"
    assert parser["install"]["trusted-host"] == "127.0.0.1"


def test_pip_conf_empties_what_other_files_say_about_sources() -> None:
    allowing = endpoints(Request(connectors=(PYPI,)), PORTS, admits_extra_indexes=True)
    sources = {"extra-index-url", "find-links", "no-index"}
    for urls, emptied in ((SINGLE, {"proxy", "pypi-url", *sources}), (allowing, {"proxy", "pypi-url"})):
        parser = configparser.RawConfigParser()
        parser.read_string(files.files(urls)["pip.conf"])
        for section in ("global", *_commands_that_ask_an_index()):
            assert {option for option, value in parser[section].items() if value == ""} == emptied


def _commands_that_ask_an_index() -> set[str]:
    """Of this interpreter's pip, by their own help."""
    pip = [sys.executable, "-m", "pip"]
    page = subprocess.run([*pip, "help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  (\w+) +\S", page.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE)
    assert len(commands) > 10
    return {
        command
        for command in commands
        if "--extra-index-url"
        in subprocess.run([*pip, "help", command], capture_output=True, text=True, check=True).stdout
    }


def test_pypirc_has_the_reference_systems_section() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(files.files(SINGLE)[".pypirc"])
    assert parser["distutils"]["index-servers"].split() == ["connectors-pypi", "pypi"]
    assert dict(parser["connectors-pypi"]) == {
        "repository": "http://127.0.0.1:28200/",
        "username": "pypi-connector",
        "password": "unused",
    }


def test_files_follow_the_configurations() -> None:
    for configurations, names in (
        (("pipconf",), {"pip.conf", "uv.toml"}),
        (("pypirc",), {".pypirc"}),
        (("pipconf", "pypirc"), {"pip.conf", "uv.toml", ".pypirc"}),
    ):
        request = Request(connectors=(PYPI,), configurations=configurations)
        assert set(files.files(endpoints(request, PORTS))) == names


def test_uv_toml_publishes_only_with_the_pypirc() -> None:
    request = Request(connectors=(PYPI,), configurations=("pipconf",))
    config = tomllib.loads(files.files(endpoints(request, PORTS))["uv.toml"])
    assert config == {"index": [{"url": "http://127.0.0.1:28200/simple/", "default": True}]}
    for urls in (OTHER, SEVERAL):
        assert tomllib.loads(files.files(urls)["uv.toml"])["publish-url"] == "http://127.0.0.1:28400/"


def test_uv_toml_names_several_targets_and_none_of_them_is_asked_for_packages() -> None:
    def named(name: str, port: int) -> dict[str, object]:
        url = f"http://127.0.0.1:{port}/"
        return {"name": name, "url": f"{url}simple/", "publish-url": url, "explicit": True}

    default = {"url": "http://127.0.0.1:28200/simple/", "default": True}
    assert tomllib.loads(files.files(OTHER)["uv.toml"])["index"] == [default]
    assert tomllib.loads(files.files(SEVERAL)["uv.toml"])["index"] == [
        default,
        named("connectors-pypi", 28400),
        named("connectors-pypi-b-c", 28400),
        named("connectors-pypi-team-a-pypi", 28200) | {"url": "http://127.0.0.1:28200/simple/?next=no"},
    ]


def test_sections_have_different_names() -> None:
    keys = tuple(map(ConnectorKey.parse, ("x/y", "a/b-c", "a-b/c")))
    request = Request(connectors=keys[:1], publish_connectors=keys)
    urls = endpoints(request, dict(zip(keys, (1, 2, 3), strict=True)))
    parser = configparser.ConfigParser()
    parser.read_string(files.files(urls)[".pypirc"])
    assert parser.sections()[3:] == [
        "connectors-pypi-x-y",
        "connectors-pypi-a-b-c",
        "connectors-pypi-a-b-c-3",
    ]


def test_a_connector_to_install_from_has_no_section() -> None:
    """Nothing could be uploaded there."""
    for urls, sections in (
        (endpoints(Request(connectors=(PYPI, SHARED)), PORTS), []),
        (OTHER, ["connectors-pypi-b-c"]),
        (SEVERAL, ["connectors-pypi-b-c", "connectors-pypi-team-a-pypi"]),
    ):
        parser = configparser.ConfigParser()
        parser.read_string(files.files(urls)[".pypirc"])
        assert parser.sections() == ["distutils", "connectors-pypi", "pypi", *sections]


@pytest.mark.parametrize(
    ("section", "url"),
    [
        ("pypi", "http://127.0.0.1:28400/"),
        ("connectors-pypi", "http://127.0.0.1:28400/"),
        ("connectors-pypi-b-c", "http://127.0.0.1:28400/"),
        ("connectors-pypi-team-a-pypi", "http://127.0.0.1:28200/"),
    ],
)
def test_twine_reads_every_section(tmp_path: Path, section: str, url: str) -> None:
    file = tmp_path / ".pypirc"
    file.write_text(files.files(SEVERAL)[".pypirc"])
    repository = get_repository_from_config(str(file), section)
    assert (repository["repository"], repository["username"]) == (url, "pypi-connector")
    assert repository["password"] == "unused"


def test_twine_without_a_section_never_means_the_public_pypi(tmp_path: Path) -> None:
    file = tmp_path / ".pypirc"
    file.write_text(files.files(SINGLE)[".pypirc"])
    assert get_config(str(file))["pypi"]["repository"] == "http://127.0.0.1:28200/"


def clean(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        **variables,
    }


def run(argv: list[str], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def test_pip_reads_the_file_by_variable_and_as_the_system_file(tmp_path: Path) -> None:
    system = tmp_path / "pip" / "pip.conf"
    system.parent.mkdir()
    system.write_text(files.files(SINGLE)["pip.conf"])
    for variables in ({"PIP_CONFIG_FILE": str(system)}, {"XDG_CONFIG_DIRS": str(tmp_path)}):
        env = clean(tmp_path / "home", **variables)
        argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
        listed = run(argv, env, tmp_path)
        assert listed.returncode == 0
        assert "global.index-url='http://127.0.0.1:28200/simple/'" in listed.stdout
        assert "install.trusted-host='127.0.0.1'" in listed.stdout


class _Seen(BaseHTTPRequestHandler):
    paths: list[str]

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_error(404)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[tuple[int, list[str]]]:
    """A loopback registry without packages: its port, and the paths that it was asked for."""
    paths: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Seen", (_Seen,), {"paths": paths}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, paths
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("how", ["variables", "system file", "UV_CONFIG_FILE"])
def test_uv_asks_the_connector_without_a_warning(
    tmp_path: Path, registry: tuple[int, list[str]], how: str
) -> None:
    port, paths = registry
    urls = endpoints(Request(connectors=(PYPI,)), {PYPI: port})
    file = tmp_path / "uv" / "uv.toml"
    file.parent.mkdir()
    file.write_text(files.files(urls)["uv.toml"])
    variables = {
        "variables": {name: text for group in groups(urls).values() for name, text in group.items()},
        "system file": {"XDG_CONFIG_DIRS": str(tmp_path)},
        "UV_CONFIG_FILE": {"UV_CONFIG_FILE": str(file)},
    }[how]
    target = ["--python", sys.executable, "--target", str(tmp_path / "target")]
    done = run(
        [str(SCRIPTS / "uv"), "pip", "install", *target, "no-such-package"],
        clean(tmp_path, **variables),
        tmp_path,
    )
    assert paths == ["/simple/no-such-package/"], done.stderr
    assert "was not found in the package registry" in done.stderr
    assert "warning" not in done.stderr.lower()
    assert "deprecated" not in done.stderr.lower()


def test_pip_asks_the_connector_with_the_variables(tmp_path: Path, registry: tuple[int, list[str]]) -> None:
    port, paths = registry
    urls = endpoints(Request(connectors=(PYPI,)), {PYPI: port})
    config = tmp_path / "pip.conf"
    config.write_text(files.files(urls)["pip.conf"])
    variables = groups(urls, config_dir=str(tmp_path))["pip"]
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "no-such-package"]
    done = run(argv, clean(tmp_path, **variables), tmp_path)
    assert paths == ["/simple/no-such-package/"], done.stderr
    assert "No matching distribution" in done.stderr
