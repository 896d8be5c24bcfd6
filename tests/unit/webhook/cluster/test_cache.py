"""The list/watch cache against a scripted API server: its content, and its return after failures."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from support.servers.registry import Call, Registry
from webhook.cluster import cache as cache_module
from webhook.cluster import kubernetes as api_module
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache, Key
from webhook.cluster.kubernetes import KubernetesApi
from webhook.cluster.trim import Json

PATH = paths.connectors()
PATIENCE_SECONDS = 60.0


def connector(name: str, version: int, **spec: Any) -> Json:
    metadata = {"namespace": "a", "name": name, "resourceVersion": str(version), "managedFields": [{}]}
    return {"kind": "Connector", "metadata": metadata, "spec": spec}


def event(kind: str, manifest: Json) -> bytes:
    return json.dumps({"type": kind, "object": manifest}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


class Server:
    """The script of the API server: lists and watches, in the order of the requests."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.lists: list[Callable[[Call], None]] = []
        self.watches: list[Callable[[Call], None]] = []
        registry.on(PATH, self._answer)

    def _answer(self, call: Call) -> None:
        scripts = self.watches if "watch=1" in call.request.target else self.lists
        script = scripts.pop(0) if scripts else hold
        script(call)

    @property
    def targets(self) -> list[str]:
        return [request.target.partition("?")[2] for request in self.registry.requests]


def page(*items: Json, version: int, more: str = "") -> Callable[[Call], None]:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    body = json.dumps({"metadata": metadata, "items": list(items)}).encode()
    return lambda call: call.reply(200, body, {"Content-Type": "application/json"})


def stream(*lines: bytes, ends: bool = False) -> Callable[[Call], None]:
    def script(call: Call) -> None:
        call.start(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        for line in lines:
            call.send_chunk(line)
        if ends:
            call.send(b"0\r\n\r\n")
        else:
            call.wait_gone()

    return script


def hold(call: Call) -> None:
    stream()(call)


def refuse(status: int, message: str = "") -> Callable[[Call], None]:
    body = json.dumps({"kind": "Status", "code": status, "message": message}).encode()
    return lambda call: call.reply(status, body, {"Content-Type": "application/json"})


def cut(call: Call) -> None:
    call.start(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    call.cut()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(cache_module, "FIRST_PAUSE_SECONDS", 0.01)
    with Registry() as registry:
        yield Server(registry)


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[tuple[Cache, list[tuple[Key, Any]]]]:
    changes: list[tuple[Key, Any]] = []
    async with KubernetesApi(Configuration(host=server.registry.origin)) as api:
        cache = Cache(api, PATH, trim.connector)
        cache.add_listener(lambda key, manifest: changes.append((key, manifest and manifest["spec"])))
        task = asyncio.create_task(cache.run())
        try:
            yield cache, changes
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_it_is_synced_only_when_every_page_of_the_list_is_there(server: Server) -> None:
    first = page(connector("one", 1), version=9, more="next/page=")
    server.lists = [first, page(connector("two", 2), version=9)]

    async def story() -> None:
        async with running(server) as (cache, _):
            assert not cache.synced.is_set()
            await asyncio.wait_for(cache.synced.wait(), PATIENCE_SECONDS)
            assert {manifest["metadata"]["name"] for manifest in cache} == {"one", "two"}
            await until(lambda: len(server.targets) == 3)
        assert server.targets[0] == "limit=100"
        assert server.targets[1] == "limit=100&continue=next/page%3D"
        assert "resourceVersion=9" in server.targets[2]
        assert "allowWatchBookmarks=true" in server.targets[2]

    run(story)


def test_events_of_the_watch_change_it_and_reach_listeners(server: Server) -> None:
    server.lists = [page(connector("old", 1, address="1"), version=1)]
    server.watches = [
        stream(
            event("ADDED", connector("new", 2, address="2")),
            event("MODIFIED", connector("old", 3, address="3")),
            event("DELETED", connector("new", 4, address="2")),
        )
    ]

    async def story() -> None:
        async with running(server) as (cache, changes):
            await until(lambda: len(changes) == 4)
            assert changes == [
                (("a", "old"), {"address": "1"}),
                (("a", "new"), {"address": "2"}),
                (("a", "old"), {"address": "3"}),
                (("a", "new"), None),
            ]
            assert cache.get("a", "new") is None
            cached = cache.get("a", "old")
            assert cached is not None
            assert "managedFields" not in cached["metadata"]

    run(story)


@pytest.mark.parametrize("end", ["ends", "breaks"])
def test_a_watch_goes_on_from_the_last_bookmark(server: Server, end: str) -> None:
    first = stream(event("ADDED", connector("one", 5)), bookmark(77), ends=True)
    server.lists = [page(version=1)]
    server.watches = [first, cut] if end == "breaks" else [first]

    async def story() -> None:
        async with running(server) as (cache, _):
            await until(lambda: len(server.targets) >= (4 if end == "breaks" else 3))
            assert all("resourceVersion=77" in target for target in server.targets[2:])
            assert cache.get("a", "one")

    run(story)


@pytest.mark.parametrize("how", ["as a status", "as an event"])
def test_a_watch_that_is_too_old_begins_with_a_new_list(server: Server, how: str) -> None:
    expired = {"kind": "Status", "code": 410, "reason": "Expired"}
    server.lists = [
        page(connector("kept", 1), connector("gone", 2), version=3),
        page(connector("kept", 1), connector("later", 8), version=9),
    ]
    server.watches = [refuse(410) if how == "as a status" else stream(event("ERROR", expired))]

    async def story() -> None:
        async with running(server) as (cache, changes):
            await until(lambda: cache.get("a", "later") is not None)
            assert cache.get("a", "gone") is None
            # listeners hear nothing of objects that have not changed meanwhile
            assert [key for key, _ in changes] == [
                ("a", "kept"),
                ("a", "gone"),
                ("a", "later"),
                ("a", "gone"),
            ]
            await until(lambda: "resourceVersion=9" in server.targets[-1])

    run(story)


@pytest.mark.parametrize("line", [b'{"type":"ADDED","object":\n', b"[]\n", b"x" * 3000 + b"\n", b"x" * 3000])
def test_an_event_that_cannot_be_read_leads_to_a_new_list(
    server: Server, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another watch from the same version would meet the event again, for ever."""
    monkeypatch.setattr(api_module, "ANSWER_BYTES_LIMIT", 2000)
    server.lists = [
        page(connector("old", 1), version=1),
        page(connector("old", 1), connector("bad", 2), version=2),
    ]
    server.watches = [stream(line), stream(event("ADDED", connector("new", 3)))]

    async def story() -> None:
        async with running(server) as (cache, _):
            await until(lambda: cache.get("a", "new") is not None)
            assert cache.get("a", "bad")
            assert "resourceVersion=2" in server.targets[-1]

    run(story)


def test_lists_between_watches_that_break_at_once_grow_rarer(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.lists = [page(version=number) for number in range(1, 6)]
    server.watches = [stream(b"[]\n")] * 5

    async def story() -> None:
        async with running(server):
            await until(lambda: len(server.targets) >= 10)
            await until(lambda: sum(record.levelno == logging.WARNING for record in caplog.records) == 5)

    run(story)
    pauses = [vars(record)["seconds"] for record in caplog.records if record.levelno == logging.WARNING]
    assert all(0.01 * 2**number / 2 <= pause for number, pause in enumerate(pauses))


def test_objects_stay_while_the_api_server_is_away(server: Server) -> None:
    server.lists = [page(connector("one", 1), version=1)]
    server.watches = [cut, refuse(503), refuse(429), refuse(403, "forbidden"), refuse(500)]

    async def story() -> None:
        async with running(server) as (cache, changes):
            await until(lambda: len(server.targets) >= 7)
            assert cache.get("a", "one")
            assert cache.synced.is_set()
            assert len(changes) == 1

    run(story)


def test_a_list_that_fails_is_requested_again(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.lists = [refuse(403, "connectors is forbidden"), cut, page(connector("one", 1), version=1)]

    async def story() -> None:
        async with running(server) as (cache, _):
            await asyncio.wait_for(cache.synced.wait(), PATIENCE_SECONDS)
        causes = [vars(record)["cause"] for record in caplog.records if record.levelno == logging.WARNING]
        assert "connectors is forbidden" in causes[0]
        assert len(causes) == 2

    run(story)


def test_pauses_grow_and_are_spread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Registry() as registry:
        server = Server(registry)
        server.lists = [refuse(503)] * 12
        monkeypatch.setattr(cache_module, "FIRST_PAUSE_SECONDS", 0.001)
        monkeypatch.setattr(cache_module, "PAUSE_SECONDS_LIMIT", 0.016)

        async def story() -> None:
            async with running(server):
                await until(lambda: len(server.targets) > 12)

        run(story)
    pauses = [vars(record)["seconds"] for record in caplog.records if record.levelno == logging.WARNING][:12]
    for number, seconds in enumerate(pauses):
        whole = min(0.016, 0.001 * 2**number)
        assert whole / 2 <= seconds <= whole
    assert len(set(pauses)) > 8
