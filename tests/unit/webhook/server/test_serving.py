"""Serving over TLS and draining: no client that comes while the process ends is turned away."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from certs.authority import ServingFiles, issue_leaf
from certs.errors import UnusablePair
from certs.store import write_files
from support.certificates.authority import HOSTS, authority, ca
from support.machine.ports import free_port
from webhook.limits.doors import Limits
from webhook.server import logs
from webhook.server.serving import listening, serve

PATIENCE_SECONDS = 60.0


class App:
    """Answers `/slow` when the test says so, and other paths at once."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        """Released for each request for `/slow`"""
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            self.entered.release()
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
    write_files(tmp_path, ServingFiles(ca(), leaf.certificate, leaf.key))
    return tmp_path


@contextlib.asynccontextmanager
async def serving(
    directory: Path, drain_seconds: float, limits: Limits
) -> AsyncIterator[tuple[App, httpx.AsyncClient, asyncio.Event, "asyncio.Task[None]"]]:
    app, stop, port = App(), asyncio.Event(), free_port()
    task = asyncio.create_task(
        serve(app, port=port, tls_directory=directory, stop=stop, drain_seconds=drain_seconds, limits=limits)
    )
    context = ssl.create_default_context(cadata=ca())
    async with httpx.AsyncClient(
        verify=context, base_url=f"https://localhost:{port}", trust_env=False
    ) as client:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(httpx.ConnectError):
                    await client.get("/")
                    break
                await asyncio.sleep(0.01)
            yield app, client, stop, task
        stop.set()
        app.release.set()
        await task


def run(
    directory: Path,
    story: Callable[..., Awaitable[None]],
    drain_seconds: float = 0.5,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> None:
    async def whole() -> None:
        async with serving(directory, drain_seconds, limits) as parts:
            await story(*parts)

    asyncio.run(whole())


def test_connections_stay_until_the_process_must_stop(directory: Path) -> None:
    async def story(app: App, client: httpx.AsyncClient, stop: asyncio.Event, task: object) -> None:
        assert "connection" not in (await client.get("/")).headers
        stop.set()
        await asyncio.sleep(0)
        answer = await client.get("/")  # on the old connection
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        new = await client.get("/")  # and on a new connection
        assert (new.status_code, new.headers["connection"]) == (200, "close")

    run(directory, story)


def test_an_answer_under_way_is_finished(directory: Path) -> None:
    async def story(
        app: App, client: httpx.AsyncClient, stop: asyncio.Event, task: "asyncio.Task[None]"
    ) -> None:
        slow = asyncio.create_task(client.get("/slow"))
        await app.entered.acquire()
        stop.set()
        await asyncio.sleep(0.3)  # beyond the drain: uvicorn waits for it now
        assert not task.done()
        app.release.set()
        assert (await slow).status_code == 200
        await task
        with pytest.raises(httpx.ConnectError):
            await client.get("/")

    run(directory, story, drain_seconds=0.1)


def test_ipv4_and_ipv6_are_served_alike(directory: Path) -> None:
    async def story(app: App, client: httpx.AsyncClient, stop: object, task: object) -> None:
        port = client.base_url.port
        context = ssl.create_default_context(cadata=ca())
        context.check_hostname = False
        hosts = ["127.0.0.1", "[::1]"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
        async with httpx.AsyncClient(verify=context, trust_env=False) as other:
            for host in hosts:
                assert (await other.get(f"https://{host}:{port}/")).status_code == 200

    run(directory, story)


def test_a_silent_connection_is_closed(directory: Path) -> None:
    async def story(app: App, client: httpx.AsyncClient, stop: object, task: object) -> None:
        context = ssl.create_default_context(cadata=ca())
        port = client.base_url.port
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
        writer.close()
        await writer.wait_closed()
        # a connection that has sent a request stays, and so does a slow answer
        slow = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(2.5)
        app.release.set()
        assert (await slow).status_code == 200

    run(directory, story, limits=Limits(head_seconds=1.5))


async def ask_from(peer: str, port: int, path: str) -> asyncio.StreamReader:
    context = ssl.create_default_context(cadata=ca())
    options = {"ssl": context, "server_hostname": "localhost", "local_addr": (peer, 0)}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)  # type: ignore[arg-type]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await writer.drain()
    OPEN.append(writer)  # it would be closed with the last reference
    return reader


OPEN: list[asyncio.StreamWriter] = []


def test_requests_under_way_make_room_for_a_peer_that_has_fewer(directory: Path) -> None:
    """Two Pods that have answers under way on every connection must not keep the API server out."""

    async def story(app: App, client: httpx.AsyncClient, stop: object, task: object) -> None:
        port = int(client.base_url.port or 0)
        await client.get("/")
        under_way = [await ask_from(f"127.0.0.{peer}", port, "/slow") for peer in (66, 66, 67, 67, 2)]
        for _ in under_way:
            await app.entered.acquire()
        newcomer = await ask_from("127.0.0.3", port, "/")
        assert (await asyncio.wait_for(newcomer.readline(), PATIENCE_SECONDS)).startswith(b"HTTP/1.1 200")
        app.release.set()
        answers = [await asyncio.wait_for(first_line(reader), PATIENCE_SECONDS) for reader in under_way]
        assert sorted(answers) == [b"", *[b"HTTP/1.1 200 OK\r\n"] * 4]
        assert answers[4], "the smallest peer is spared"
        while OPEN:
            OPEN[-1].close()
            with contextlib.suppress(OSError):
                await OPEN.pop().wait_closed()

    run(directory, story, limits=Limits(connections=5, connections_per_peer=2))


async def first_line(reader: asyncio.StreamReader) -> bytes:
    """Empty if the connection was closed."""
    try:
        return await reader.readline()
    except OSError:
        return b""


def test_an_answer_in_two_writes_does_not_wait_for_a_receipt() -> None:
    with listening(0) as sock:
        client = socket.create_connection(("localhost", sock.getsockname()[1]))
        accepted, _ = sock.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_without_a_certificate_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(UnusablePair, match="cannot be read"):
        asyncio.run(serve(App(), port=free_port(), tls_directory=tmp_path, stop=asyncio.Event()))


def test_a_log_line_is_a_json_object_without_the_text_of_an_exception() -> None:
    record = logging.LogRecord("webhook.x", logging.INFO, "x.py", 1, "grant", (), None)
    record.pod = "a\nb"
    try:
        raise ValueError("canary")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert "canary" not in line
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "info",
        "logger": "webhook.x",
        "message": "grant",
        "pod": "a\nb",
        "error": "ValueError",
    }


@pytest.mark.parametrize("value", ["x" * 9_000_000, ["x"] * 1_000_000, {"x" * 9_000_000: 1}])
def test_a_log_line_is_bounded_whatever_its_fields(value: object) -> None:
    record = logging.LogRecord("webhook.x", logging.INFO, "x.py", 1, "%s", ("m" * 9_000_000,), None)
    record.pod = value
    line = logs.JsonFormatter().format(record)
    assert len(line) < 16 * 1024
    assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize("component", ["admission", "broker"])
def test_a_process_with_settings_that_cannot_be_used_ends_with_all_of_them(component: str) -> None:
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_PORT": "x", "WEBHOOK_LOG_LEVEL": "loud"}
    command = [sys.executable, "-m", "webhook", component]
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "pypi-connector: WEBHOOK_SIDECAR_IMAGE is not set: give the sidecar's image, best with its digest",
        "pypi-connector: WEBHOOK_LOG_LEVEL must be one of debug, info, warning, error, not 'loud'",
        "pypi-connector: WEBHOOK_PORT must be a number from 1 to 65535, not 'x'",
    ]


def test_signals_are_left_to_the_process(directory: Path) -> None:
    """The process's handlers stay; uvicorn would replace them."""
    before = signal.getsignal(signal.SIGTERM)

    async def story(*_: object) -> None:
        assert signal.getsignal(signal.SIGTERM) is before

    run(directory, story)
