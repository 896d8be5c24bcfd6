"""Real clients while a registry answers 401: their results, and the number of tries of the account."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from support.machine.environments import clean, environment
from support.servers.accounts import Account, ColdRegistry
from support.servers.registry import Call, Registry
from support.sidecars.running import grant, holds_credential, running_sidecar
from support.sidecars.virtual_proxies import VirtualProxy, virtual_proxy
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

TOOLS = Path(sys.executable).parent
CLIENT_SECONDS = 60.0
HOUR = 3600.0
AT_ONCE = 10
"""Packages of one `uv pip install`, which asks for all of them at once"""


def run(command: Sequence[str | Path], folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A client in an empty environment; what it prints holds no credential."""
    done = subprocess.run(
        command,
        env=clean(HOME=str(folder), **variables),
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert not holds_credential(done.stdout)
    return done


def uv_install(port: int, folder: Path, *packages: str) -> "subprocess.CompletedProcess[str]":
    url = f"http://127.0.0.1:{port}/simple/"
    command = [TOOLS / "uv", "pip", "install", "--no-cache", "--target", "site", *packages]
    return run([*command, "--python", sys.executable], folder, UV_DEFAULT_INDEX=url)


def pip_install(port: int, folder: Path, *packages: str) -> "subprocess.CompletedProcess[str]":
    pip = environment("pip-newest") / "bin" / "pip"
    url = f"http://127.0.0.1:{port}/simple/"
    return run([pip, "install", "--target", "site", *packages], folder, PIP_INDEX_URL=url)


def shelf(folder: Path, names: Sequence[str]) -> Callable[[Call], None]:
    """Serves a page and a wheel for each name, and takes uploads."""
    wheels = {name: make_wheel(folder, name, "1.0") for name in names}
    files = {f"/files/{one.name}": one.read_bytes() for one in wheels.values()}

    def serve(call: Call) -> None:
        path = call.request.target
        name = path.removeprefix("/simple/").strip("/")
        if path in files:
            call.reply(200, files[path])
        elif name in wheels:
            file = wheels[name].name
            call.reply(200, f"<a href='/files/{file}'>{file}</a>".encode(), {"Content-Type": "text/html"})
        elif call.request.method == "POST":
            call.reply(200, b"stored")
        else:
            call.reply(404)

    return serve


@pytest.fixture
def shelves(tmp_path: Path) -> Path:
    folder = tmp_path / "shelves"
    folder.mkdir()
    return folder


@pytest.fixture
def account(registry: Registry, shelves: Path) -> Account:
    return Account(registry, shelf(shelves, ["good-one", "bad-one"]))


@pytest.fixture
def proxy(registry: Registry, account: Account) -> Iterator[VirtualProxy]:
    """Its credential has been accepted."""
    with virtual_proxy(registry) as found:
        assert found.get("/simple/good-one/").status == 200
        yield found


def test_uv_installs_fifty_packages_from_a_registry_that_refuses_some_of_a_cold_burst(
    registry: Registry, tmp_path: Path, shelves: Path
) -> None:
    """astral-sh/uv#17485: Artifactory answers 401 to some of them, and 200 to the next try of each."""
    names = [f"package-{number}" for number in range(50)]
    cold = ColdRegistry(registry, shelf(shelves, names))
    with running_sidecar(tmp_path, grant(registry)) as sidecar:
        cold.is_full.set()
        assert sidecar.get("/simple/package-0/").status == 200
        cold.is_full.clear()
        done = uv_install(sidecar.port, tmp_path, *names)
    assert done.returncode == 0, done.stdout
    assert cold.refused >= 3
    assert len(list((tmp_path / "site").glob("package_*.dist-info"))) == 50


@pytest.mark.parametrize("install", [uv_install, pip_install], ids=lambda one: one.__name__)
def test_a_package_that_the_account_may_not_read_costs_no_other(
    proxy: VirtualProxy,
    account: Account,
    tmp_path: Path,
    install: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    account.is_refused = lambda path: "bad" in path
    for _ in range(3):
        assert install(proxy.port, tmp_path, "bad-one").returncode != 0
    done = install(proxy.port, tmp_path, "good-one")
    assert done.returncode == 0, done.stdout


def test_uv_that_hammers_for_an_hour_with_a_wrong_password_tries_it_seldom(
    proxy: VirtualProxy, account: Account, tmp_path: Path
) -> None:
    account.is_refused = lambda path: True
    numbers = count()
    until = proxy.clock.now + HOUR
    while proxy.clock.now < until:
        packages = [f"p{next(numbers)}" for _ in range(AT_ONCE)]
        done = uv_install(proxy.port, tmp_path, *packages)
        assert done.returncode != 0
        proxy.clock.now += 100
    under_way = AT_ONCE - 1
    assert account.refused <= 8 + 5 + under_way
    account.is_refused = lambda path: False
    proxy.clock.now += 600
    assert uv_install(proxy.port, tmp_path, "good-one").returncode == 0


def test_twine_reads_which_it_is_and_a_later_upload_is_stored(
    proxy: VirtualProxy, account: Account, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "own-package", "1.0")
    variables = {
        "TWINE_REPOSITORY_URL": f"http://127.0.0.1:{proxy.port}/",
        "TWINE_USERNAME": "unused",
        "TWINE_PASSWORD": "unused",
        "TWINE_NON_INTERACTIVE": "1",
    }
    upload = [TOOLS / "twine", "upload", wheel]
    assert run(upload, tmp_path, **variables).returncode == 0
    account.is_refused = lambda path: True
    for sentence in ["accepted the credential of connector team/pypi"] * 2 + ["which it accepted before"] * 2:
        done = run(upload, tmp_path, **variables)
        assert done.returncode != 0
        assert sentence in " ".join(done.stdout.split())
    assert account.refused == 3
    account.is_refused = lambda path: False
    proxy.clock.now += 10
    assert run(upload, tmp_path, **variables).returncode == 0
