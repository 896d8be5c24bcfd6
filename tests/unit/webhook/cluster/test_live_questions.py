"""Questions of admission to the API server: few at a time, and an absent object is remembered."""

import asyncio
from typing import cast

import pytest

from support.machine.virtual_time import run_virtually
from webhook.cluster.api import Api, Json
from webhook.cluster.live_questions import ABSENT_LIMIT, QUESTIONS_LIMIT, LiveQuestions
from webhook.errors import ClusterUnavailable


class SlowApi:
    """Has no object. Each answer takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._now = 0
        self._seconds = seconds

    async def get(self, path: str, *, seconds: float) -> Json | None:
        self.asked.append(path)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self._seconds)
        self._now -= 1
        return None


def questions_of(api: SlowApi) -> LiveQuestions:
    return LiveQuestions(cast("Api", api))


def test_a_crowd_has_few_questions_at_a_time_and_other_namespaces_have_room() -> None:
    api = SlowApi(0.01)

    async def story() -> None:
        live = questions_of(api)
        crowd = [asyncio.create_task(live.get(f"/eve/{number}", "eve")) for number in range(60)]
        await asyncio.sleep(0.02)
        before = len(api.asked)
        await live.get("/team/pypi", "team")
        assert api.asked.index("/team/pypi") <= before + 1, "the crowd waits, the other namespace does not"
        assert api.most_at_once <= QUESTIONS_LIMIT // 2 + 1
        await asyncio.gather(*crowd)
        others = [live.get(f"/{number}/pypi", f"nowhere-{number}") for number in range(60)]
        await asyncio.gather(*others)
        assert api.most_at_once <= QUESTIONS_LIMIT

    run_virtually(story())


def test_reviews_that_ask_for_the_same_absent_object_at_once_cost_few_questions() -> None:
    api = SlowApi(0.01)

    async def story() -> None:
        live = questions_of(api)
        await asyncio.gather(*(live.get("/team/pypi", "team") for _ in range(100)))

    asyncio.run(story())
    assert len(api.asked) <= QUESTIONS_LIMIT


def test_a_question_without_a_turn_leaves_as_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.cluster.live_questions.LIVE_SECONDS", 0.05)
    api = SlowApi(60)

    async def story() -> None:
        live = questions_of(api)
        crowd = [asyncio.create_task(live.get(f"/eve/{number}", "eve")) for number in range(QUESTIONS_LIMIT)]
        await asyncio.sleep(0)
        with pytest.raises(ClusterUnavailable, match="GET /eve/last got no turn"):
            await live.get("/eve/last", "eve")
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    asyncio.run(story())


def test_the_memory_of_absent_objects_is_bounded() -> None:
    api = SlowApi()

    async def story() -> None:
        live = questions_of(api)
        for number in range(ABSENT_LIMIT + 1):
            await live.get(f"/eve/{number}", "eve")
        await live.get(f"/eve/{ABSENT_LIMIT}", "eve")
        assert len(api.asked) == ABSENT_LIMIT + 1, "the newest is remembered"
        await live.get("/eve/0", "eve")
        assert len(api.asked) == ABSENT_LIMIT + 2, "the oldest is not"

    asyncio.run(story())
