"""Real clients that must retry, because there is no grant yet or too many requests are in progress.

All get 503 with Retry-After. pip, uv's installer and twine come again by themselves, with no flag; uv publish
repeats no status of an upload (see `test_rotation_with_clients.py`), but that of its check URL, which it is
told in a Pod and asks first.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.clients.client_runs import UV, Result, assert_installed, pip_install, run_client
from support.machine.environments import clean
from support.registries.registry_kinds import client_variables
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Sidecar, grant, sidecar_of_broker
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

SLOW = "/files/slow-1.0.tar.gz"
ACTIVE = 192
"""As in `test_crowds.py`"""
FETCHES = 4
"""Of a broker that is away, in the 6 s for which a request waits: at once, after 0.5, 1.5 and 3.5 s"""

OUTLASTING = ("pip", "uv", "twine", "uv-publish")


class Clients:
    """Each in a folder of its own, with the variables of a container beside that sidecar."""

    def __init__(self, registry: Registry, sidecar: Sidecar, folder: Path) -> None:
        self._folder = folder
        self._variables = clean(**client_variables(sidecar, folder))
        self._to_upload = str(make_wheel(folder, "to-upload", "1.0"))
        wheel = make_wheel(folder, "hello-there", "1.0")
        registry.page("/simple/hello-there/", f"<a href='/files/{wheel.name}'>{wheel.name}</a>".encode())
        registry.on(f"/files/{wheel.name}", lambda call: call.reply(200, wheel.read_bytes()))
        registry.on("/upload/", lambda call: call.reply(200, b"stored"))

    def succeeds(self, name: str) -> None:
        commands = {
            "pip": pip_install("hello-there"),
            "uv": [*UV, "hello-there"],
            "twine": ["twine", "upload", "--disable-progress-bar", self._to_upload],
            "uv-publish": ["uv", "publish", self._to_upload],
        }
        done = self._run(name, commands[name], self._variables)
        assert done.returncode == 0, done.stdout + done.stderr
        if name in ("pip", "uv"):
            assert_installed(done, "hello_there.py", self._folder / name)

    def publish_unchecked(self) -> str:
        """The output of uv publish without a check URL."""
        without = {key: value for key, value in self._variables.items() if key != "UV_PUBLISH_CHECK_URL"}
        done = self._run("unchecked", ["uv", "publish", self._to_upload], without)
        assert done.returncode != 0, done.stderr
        return " ".join(done.stderr.split())

    def _run(self, name: str, command: list[str], variables: Mapping[str, str]) -> Result:
        folder = self._folder / name
        folder.mkdir()
        return run_client(variables, command, folder)


@contextmanager
def beside_an_absent_broker(registry: Registry, folder: Path) -> Iterator[tuple[Sidecar, Clients]]:
    """For as long as the proxy has patience with it, once; then it is back."""
    folder.mkdir()
    away = [(503, {"detail": "rolled"})] * FETCHES
    with Broker(*away, grant(registry)) as broker, sidecar_of_broker(folder, broker) as sidecar:
        yield sidecar, Clients(registry, sidecar, folder)


def test_a_broker_that_is_away_is_outlasted(registry: Registry, tmp_path: Path) -> None:
    def refusals(client: str) -> list[str]:
        with beside_an_absent_broker(registry, tmp_path / client) as (sidecar, clients):
            clients.succeeds(client)
            return [one["method"] for one in sidecar.lines if one.get("reason") == "broker-unreachable"]

    with ThreadPoolExecutor() as pool:
        found = dict(zip(OUTLASTING, pool.map(refusals, OUTLASTING), strict=True))
    assert found == {"pip": ["GET"], "uv": ["GET"], "twine": ["POST"], "uv-publish": ["GET"]}


def test_an_upload_of_uv_publish_that_meets_no_grant_ends_with_the_sentence(
    registry: Registry, tmp_path: Path
) -> None:
    with beside_an_absent_broker(registry, tmp_path / "uv") as (_, clients):
        assert "503 Service Unavailable. Server says: no grant yet: rolled" in clients.publish_unchecked()


@contextmanager
def crowd(registry: Registry, roomy: Sidecar) -> Iterator[threading.Event]:
    """Takes all places of the proxy, until the event is set."""
    leaving = threading.Event()

    def stall(call: Call) -> None:
        leaving.wait(PATIENCE_SECONDS)
        call.reply(200, b"x")

    registry.on(SLOW, stall)
    with ExitStack() as stack:
        for _ in range(ACTIVE):
            sock = stack.enter_context(roomy.connect())
            sock.sendall(f"GET {SLOW} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(SLOW, ACTIVE)
        yield leaving
        leaving.set()


@pytest.mark.parametrize("client", OUTLASTING)
def test_a_crowd_is_outlasted(registry: Registry, roomy: Sidecar, tmp_path: Path, client: str) -> None:
    clients = Clients(registry, roomy, tmp_path)
    with crowd(registry, roomy) as leaving, ThreadPoolExecutor() as pool:
        running = pool.submit(clients.succeeds, client)
        roomy.wait_line(message="request", status=503, reason="too-busy")
        leaving.set()
        running.result()


def test_an_upload_of_uv_publish_that_meets_a_crowd_ends_with_the_sentence(
    registry: Registry, roomy: Sidecar, tmp_path: Path
) -> None:
    clients = Clients(registry, roomy, tmp_path)
    with crowd(registry, roomy):
        assert f"Server says: {ACTIVE} requests are under way: try again" in clients.publish_unchecked()
