"""Real clients while the credential is rotated: the failures that they retry by themselves, without flags.

twine repeats an upload after a 503, uv publish only one whose connection broke (0.13.9 was tried with 500,
502, 503, 504 and 429, each with Retry-After). Each gets what it repeats. flit, hatch, pdm and poetry repeat
neither: they get the 503, whose sentence says what to do.
"""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.clients.jobs import PROJECTS
from support.machine.environments import clean, environment
from support.registries.registry_kinds import client_variables
from support.servers.registry import Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, holds_credential, sidecar_of_broker
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

OLD = Credential("robot", Secret("old-password-of-robot"))
TOOLS = Path(sys.executable).parent
MIB = 1 << 20
CLIENT_SECONDS = 60.0

SENTENCE = "the registry's credential was renewed: send the upload again"

Client = Callable[[Sidecar, Path], "subprocess.CompletedProcess[str]"]

REPEAT_NOTHING: Mapping[str, Sequence[str]] = {
    "flit": ["publish"],
    "hatch": ["publish"],
    "pdm": ["publish", "--no-build"],
    "poetry": ["publish", "-r", "connectors-pypi"],
}
"""What each is told, in the folder of a project with a wheel in `dist`"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Larger than all buffers on the way."""
    return make_wheel(tmp_path, "hello-rotation", "1.0", filler=b"x" * (4 * MIB))


@pytest.fixture
def sidecar(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """Its first grant holds the old credential, each later one the new one."""
    with (
        Broker(grant(registry, credential=OLD), grant(registry, version="v2")) as broker,
        sidecar_of_broker(tmp_path, broker) as found,
    ):
        yield found


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


def twine(sidecar: Sidecar, wheel: Path) -> "subprocess.CompletedProcess[str]":
    variables = {
        "TWINE_REPOSITORY_URL": f"http://127.0.0.1:{sidecar.port}/",
        "TWINE_USERNAME": "unused",
        "TWINE_PASSWORD": "unused",
        "TWINE_NON_INTERACTIVE": "1",
    }
    return run([TOOLS / "twine", "upload", wheel], wheel.parent, **variables)


def uv_publish(sidecar: Sidecar, wheel: Path) -> "subprocess.CompletedProcess[str]":
    url = f"http://127.0.0.1:{sidecar.port}/"
    return run([TOOLS / "uv", "publish", wheel], wheel.parent, UV_PUBLISH_URL=url, UV_PUBLISH_TOKEN="unused")


def after_the_whole_body(call: Call) -> None:
    call.reply(401, b"who are you?", {"WWW-Authenticate": "Basic"})


def in_the_middle(call: Call) -> None:
    call.read_some()
    call.start(401, {"Content-Length": "0", "Connection": "close"})
    call.wait_gone()


REFUSALS = [after_the_whole_body, in_the_middle]


def store_uploads(registry: Registry, refuses: Callable[[Call], None]) -> list[int]:
    """Accepts only uploads with the new credential; the sizes of their bodies."""
    stored: list[int] = []

    def script(call: Call) -> None:
        if call.request.header("authorization") == AUTHORIZATION:
            call.read_body()
            stored.append(call.request.body_size)
            call.reply(200, b"stored")
        else:
            refuses(call)

    registry.on("/upload/", script)
    return stored


@pytest.mark.parametrize("refuses", REFUSALS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("client", [twine, uv_publish], ids=lambda one: one.__name__)
def test_an_upload_whose_credential_was_rotated_is_sent_again(
    registry: Registry,
    sidecar: Sidecar,
    wheel: Path,
    client: Client,
    refuses: Callable[[Call], None],
) -> None:
    stored = store_uploads(registry, refuses)
    done = client(sidecar, wheel)
    assert done.returncode == 0, done.stdout
    assert len(stored) == 1
    assert stored[0] > wheel.stat().st_size
    sidecar.wait_line(action="upload", reason="credential-renewed")
    sidecar.wait_line(action="upload", status=200)


def project_of(client: str, folder: Path) -> Path:
    """With a wheel as large as the others, or, for flit, which builds one in any case, as large a module."""
    project = folder / "project"
    shutil.copytree(PROJECTS / f"by-{client}", project)
    if client == "flit":
        with (project / "by_flit.py").open("a") as module:
            module.write(f'DATA = "{secrets.token_hex(4 * MIB)}"\n')
    else:
        (project / "dist").mkdir()
        make_wheel(project / "dist", f"by-{client}", "0", filler=b"x" * (4 * MIB))
    return project


@pytest.mark.parametrize("refuses", REFUSALS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("client", REPEAT_NOTHING)
def test_a_client_that_repeats_nothing_prints_the_sentence_and_a_second_run_works(
    registry: Registry, sidecar: Sidecar, tmp_path: Path, client: str, refuses: Callable[[Call], None]
) -> None:
    stored = store_uploads(registry, refuses)
    project = project_of(client, tmp_path)
    program = str(environment(f"client-{client}") / "bin" / client)
    variables = client_variables(sidecar, tmp_path)
    first = run([program, *REPEAT_NOTHING[client]], project, **variables)
    assert first.returncode != 0
    assert SENTENCE in " ".join(first.stdout.split())
    assert len(registry.seen("/upload/")) == 1
    second = run([program, *REPEAT_NOTHING[client]], project, **variables)
    assert second.returncode == 0, second.stdout
    assert stored
    assert stored[0] > 4 * MIB


def pip_download(sidecar: Sidecar, folder: Path) -> "subprocess.CompletedProcess[str]":
    pip = environment("pip-newest") / "bin" / "pip"
    url = f"http://127.0.0.1:{sidecar.port}/simple/"
    return run([pip, "install", "--target", "site", "hello-rotation"], folder, PIP_INDEX_URL=url)


def uv_download(sidecar: Sidecar, folder: Path) -> "subprocess.CompletedProcess[str]":
    url = f"http://127.0.0.1:{sidecar.port}/simple/"
    command = [TOOLS / "uv", "pip", "install", "--target", "site", "hello-rotation"]
    return run([*command, "--python", sys.executable], folder, UV_DEFAULT_INDEX=url)


class Rotating:
    """A registry whose password changes while the first download is under way, which it breaks off."""

    def __init__(self, registry: Registry, wheel: Path) -> None:
        self._body = wheel.read_bytes()
        self._is_rotated = False
        registry.page("/simple/hello-rotation/", f"<a href='/files/{wheel.name}'>{wheel.name}</a>".encode())
        registry.on(f"/files/{wheel.name}", self._serve)

    def _serve(self, call: Call) -> None:
        headers = {"ETag": '"a"', "Accept-Ranges": "bytes"}
        if not self._is_rotated:
            self._is_rotated = True
            call.start(200, {**headers, "Content-Length": str(len(self._body))})
            call.send(self._body[: len(self._body) // 2])
            call.reset()
        elif call.request.header("authorization") != AUTHORIZATION:
            call.reply(401, b"who are you?", {"WWW-Authenticate": "Basic"})
        elif asked := call.request.header("range"):
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            place = f"bytes {first}-{len(self._body) - 1}/{len(self._body)}"
            call.reply(206, self._body[first:], {**headers, "Content-Range": place})
        else:
            call.reply(200, self._body, headers)


@pytest.mark.parametrize("client", [pip_download, uv_download], ids=lambda one: one.__name__)
def test_a_client_resumes_a_download_whose_credential_was_rotated(
    registry: Registry, sidecar: Sidecar, wheel: Path, client: Client
) -> None:
    Rotating(registry, wheel)
    done = client(sidecar, wheel.parent)
    assert done.returncode == 0, done.stdout
    assert (wheel.parent / "site" / "hello_rotation_data.bin").stat().st_size == 4 * MIB
