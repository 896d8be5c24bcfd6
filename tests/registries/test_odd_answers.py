"""Real pip, uv and twine get odd answers through the proxy as they get them without it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.clients.client_runs import UV, Result, run_client
from support.machine.environments import clean, environment
from support.registries.registry_kinds import running_for_clients
from support.servers.odd_answers import ODD_ANSWERS, RARE_ANSWERS, START, TOKENS
from support.servers.registry import Call, Registry, gzipped
from support.sidecars.running import grant
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients

ANSWERS = {**ODD_ANSWERS, **RARE_ANSWERS}
BY_UV = [name for name, one in ANSWERS.items() if one.uv_takes_it]
BY_PIP_ONLY = [name for name in ANSWERS if name not in BY_UV]
CODED = {f"token-{number}": token for number, token in enumerate(TOKENS)}
PACKED = {"packed-1": "aws-chunked, gzip", "packed-2": "gzip, identity"}
EACH = ["pip-oldest", "pip-newest", "uv"]


def command(client: str, names: Sequence[str]) -> list[str]:
    if client == "uv":
        return [*UV, *names]
    pip = environment(client) / "bin" / "pip"
    return [str(pip), "install", "--no-cache-dir", "--target", "site", "--retries", "0", *names]


class OddRegistry:
    """Has a package for each kind of odd answer, whose page and whose file are of that kind."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._registry = registry
        for name in [*ANSWERS, *CODED, *PACKED]:
            wheel = make_wheel(folder, name, "1.0")
            page = f"<a href='/files/{wheel.name}'>{wheel.name}</a>".encode()
            registry.on(f"/simple/{name}/", self._script(name, page, b"text/html"))
            registry.on(f"/files/{wheel.name}", self._script(name, wheel.read_bytes(), b"application/zip"))

    def _script(self, name: str, body: bytes, kind: bytes) -> Callable[[Call], None]:
        type_line = b"Content-Type: " + kind + b"\r\n"

        def odd(call: Call) -> None:
            data = ANSWERS[name].render(START, type_line + b"Connection: close\r\n", body)
            end = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
            call.send(data if call.request.method != "HEAD" else data.partition(end)[0] + end)

        def coded(call: Call) -> None:
            is_packed = name in PACKED and kind == b"text/html"
            coding = {**CODED, **PACKED}[name] if kind == b"text/html" or name in CODED else "none"
            headers = {"Content-Type": kind.decode(), "Content-Encoding": coding}
            call.reply(200, gzipped(body) if is_packed else body, headers)

        return odd if name in ANSWERS else coded


def without_the_proxy(registry: Registry, client: str, names: Sequence[str], folder: Path) -> Result:
    variable = "UV_DEFAULT_INDEX" if client == "uv" else "PIP_INDEX_URL"
    variables = {variable: f"{registry.origin}/simple/", "UV_HTTP_RETRIES": "0"}
    return run_client(clean(**variables), command(client, names), folder)


@pytest.fixture
def odd(tmp_path: Path) -> Registry:
    """Over plain http, so that clients need no certificate."""
    (tmp_path / "wheels").mkdir()
    with Registry() as registry:
        OddRegistry(registry, tmp_path / "wheels")
        yield registry  # type: ignore[misc]


@pytest.mark.parametrize("client", EACH)
def test_each_installs_them_all(odd: Registry, tmp_path: Path, client: str) -> None:
    """Rules 18 and 19."""
    names = [*ANSWERS, *CODED, *PACKED]
    with running_for_clients(tmp_path, grant(odd, ca=None)) as (_, variables):
        done = run_client(variables, command(client, names), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert (tmp_path / "site" / f"{name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("client", EACH)
def test_each_takes_these_without_the_proxy_too(odd: Registry, tmp_path: Path, client: str) -> None:
    """So the proxy is no more lenient than they are."""
    names = [*(BY_UV if client == "uv" else ANSWERS), *CODED]
    done = without_the_proxy(odd, client, names, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BY_PIP_ONLY)
def test_uv_takes_these_through_the_proxy_only(odd: Registry, tmp_path: Path, name: str) -> None:
    """If this fails, uv has learnt it, and the table of `odd_answers.py` can say so."""
    assert without_the_proxy(odd, "uv", [name], tmp_path).returncode != 0


UPLOADERS = {
    "twine": ("twine", "upload", "--disable-progress-bar"),
    "uv": ("uv", "publish"),
}


@pytest.mark.parametrize("uploader", UPLOADERS.values(), ids=UPLOADERS.keys())
def test_uploads_with_odd_answers_succeed_and_are_sent_once(
    tmp_path: Path, uploader: tuple[str, ...]
) -> None:
    """Rule 20."""
    answers = [one.render(START, b"", b"ok") for one in ANSWERS.values()]
    answers += [
        START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        START + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        START + b"Content-Length: 20\r\n\r\nok",
        START + b"X-A: b",
    ]
    wheels = [str(make_wheel(tmp_path, f"to-upload-{number}", "1.0")) for number in range(len(answers))]

    def script(call: Call) -> None:
        call.read_body()
        call.send(answers[len(registry.seen("/upload/")) - 1])

    with Registry() as registry:
        registry.on("/upload/", script)
        registry.on("*", lambda call: call.reply(404))
        with running_for_clients(tmp_path, grant(registry, ca=None)) as (_, variables):
            done = run_client(variables, [*uploader, *wheels], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(registry.seen("/upload/")) == len(answers)


@pytest.mark.parametrize("uploader", UPLOADERS.values(), ids=UPLOADERS.keys())
def test_an_upload_whose_answer_is_lost_is_not_sent_again(tmp_path: Path, uploader: tuple[str, ...]) -> None:
    """The registry may have it: a second one would be refused, or take the place of the first."""
    wheel = make_wheel(tmp_path, "to-upload", "1.0")
    with Registry() as registry:
        registry.on("/upload/", lambda call: (call.read_body(), call.send(b"<html>"))[1])
        registry.on("*", lambda call: call.reply(404))
        with running_for_clients(tmp_path, grant(registry, ca=None)) as (_, variables):
            done = run_client(variables, [*uploader, str(wheel)], tmp_path)
        assert done.returncode != 0
        assert "may have taken it" in " ".join((done.stdout + done.stderr).split())
        assert len(registry.seen("/upload/")) == 1
