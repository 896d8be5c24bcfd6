"""Answers of the API server: few large answers at once, no endless answer, and no wait for small answers."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from support.servers.registry import Call, Registry
from webhook.cluster import answer_room, paths
from webhook.cluster import kubernetes as api_module
from webhook.cluster.answer_room import LARGE_ANSWERS_LIMIT, SMALL_BYTES, AnswerRoom
from webhook.cluster.kubernetes import KubernetesApi
from webhook.cluster.trim import pod as trim_pod
from webhook.cluster.trim import presence, whole
from webhook.errors import ClusterUnavailable, Gone

PATH = paths.connectors()


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 20))


def test_large_answers_wait_for_each_other_and_small_ones_do_not() -> None:
    async def story() -> None:
        room = AnswerRoom()
        may_end = asyncio.Event()
        under_way: list[str] = []

        async def answer(name: str, size: int) -> None:
            async with room.body() as body:
                await body.add(b"x" * size)
                under_way.append(name)
                await may_end.wait()

        names = [f"large-{number}" for number in range(4)]
        tasks = [asyncio.create_task(answer(name, SMALL_BYTES + 1)) for name in names]
        tasks += [asyncio.create_task(answer(f"small-{number}", SMALL_BYTES)) for number in range(9)]
        for _ in range(50):
            await asyncio.sleep(0)  # all have had their turns
        assert len([name for name in under_way if name.startswith("large")]) == LARGE_ANSWERS_LIMIT
        assert len([name for name in under_way if name.startswith("small")]) == 9
        tasks[3].cancel()  # it waits
        may_end.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(name for name in under_way if name.startswith("large")) == names[:3]
        async with room.body() as first, room.body() as other:  # no place is lost
            await first.add(b"x" * (SMALL_BYTES + 1))
            await other.add(b"x" * (SMALL_BYTES + 1))

    run(story())


def answer_of(script: Callable[[Call], None], question: Callable[[KubernetesApi], Any]) -> Any:
    with Registry() as server:
        server.on("*", script)

        async def story() -> Any:
            async with KubernetesApi(Configuration(host=server.origin)) as api:
                return await question(api)

        return asyncio.run(story())


def without_end(call: Call) -> None:
    call.start(200, {"Transfer-Encoding": "chunked"})
    call.send_chunk(b'{"items":[{"a":"')
    for _ in range(1000):
        call.send_chunk(b"x" * 65536)


async def watched(api: KubernetesApi) -> list[Any]:
    return [event async for event in api.watch(PATH, whole)]


@pytest.mark.parametrize(
    "question",
    [
        lambda api: api.get(PATH),
        lambda api: api.page(PATH, presence),
        lambda api: api.patch(PATH, {}),
        watched,
    ],
)
def test_an_endless_answer_is_aborted(
    monkeypatch: pytest.MonkeyPatch, question: Callable[[KubernetesApi], Any]
) -> None:
    for module in (answer_room, api_module):
        monkeypatch.setattr(module, "ANSWER_BYTES_LIMIT", 200_000)
    with pytest.raises((ClusterUnavailable, Gone), match="longer than 200000"):
        answer_of(without_end, question)


def test_a_large_object_does_not_end_a_watch() -> None:
    """aiohttp takes lines of 4 MiB at most. A longer event would come again after each pause, for ever."""
    event = {"type": "ADDED", "object": {"metadata": {"name": "big", "annotations": {"a": "<" * 6_000_000}}}}

    def script(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"})
        call.send_chunk(json.dumps(event).encode() + b"\n")
        call.send(b"0\r\n\r\n")

    async def names(api: KubernetesApi) -> list[Any]:
        return [event async for event in api.watch(PATH, presence)]

    assert answer_of(script, names) == [{"type": "ADDED", "object": {"metadata": {"name": "big"}}}]


def test_no_compressed_answer_is_requested() -> None:
    """A compressed list of equal words expands to a thousand times its length."""
    seen: list[str | None] = []

    def script(call: Call) -> None:
        seen.append(call.request.header("accept-encoding"))
        call.reply(200, b'{"items":[],"metadata":{}}', {"Content-Type": "application/json"})

    answer_of(script, lambda api: api.page(PATH, presence))
    assert seen == ["identity"]


def test_forty_large_answers_at_once_all_arrive() -> None:
    body = json.dumps({"metadata": {"name": "big", "labels": {"a": "x" * 1_000_000}}}).encode()

    async def all_at_once(api: KubernetesApi) -> Any:
        return await asyncio.gather(*(api.get(PATH, trim=presence, seconds=20) for _ in range(40)))

    answers = answer_of(lambda call: call.reply(200, body, {"Content-Type": "application/json"}), all_at_once)
    assert answers == [{"metadata": {"name": "big"}}] * 40


def test_a_crowd_of_large_pods_is_never_in_memory_together() -> None:
    crowd = 24
    env = [{"name": f"N{number}", "value": ""} for number in range(20_000)]
    body = json.dumps(
        {"metadata": {"name": "big"}, "spec": {"containers": [{"name": "a", "env": env}]}}
    ).encode()

    async def judge(api: KubernetesApi) -> int:
        pod = await api.get(PATH, trim=trim_pod, seconds=60)
        assert pod is not None
        return len(pod["spec"]["containers"][0]["env"])

    async def all_at_once(api: KubernetesApi) -> list[int]:
        return await asyncio.gather(*(judge(api) for _ in range(crowd)))

    tracemalloc.start()
    try:
        answers = answer_of(
            lambda call: call.reply(200, body, {"Content-Type": "application/json"}), all_at_once
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answers == [len(env)] * crowd
    assert peak < 23e6, f"{peak / 1e6:.0f} MB: one alone takes 8, without a limit to how many it is 27"
