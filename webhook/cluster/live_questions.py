"""Questions of admission to the API server, for objects that a watched cache does not have.

Anybody who reaches admission can send reviews, and each name in a review could cost a request to the API
server. So there are few questions at a time, and an absent object is remembered for a moment.
"""

import asyncio
from collections import OrderedDict

from webhook.cluster.api import Api
from webhook.cluster.trim import Json
from webhook.errors import ClusterUnavailable
from webhook.limits.fair_slots import FairSlots

LIVE_SECONDS = 1.0
"""For a question, and before it for its turn. The API server waits 5 s for admission's answer."""

QUESTIONS_LIMIT = 8
"""Questions under way. Each costs admission 1.3 ms and the API server about as much: at 3 ms for an answer,
eight questions already use a whole CPU of admission. A single namespace gets at most half of the places."""

ABSENT_SECONDS = 1.0
"""For this time an absent object is not asked for again. A watch brings a new object in milliseconds, and the
caches come first: only while the watch is behind, a new object is refused for up to this time."""

ABSENT_LIMIT = 1024
"""Absent objects remembered, about 500 bytes each. An evicted object is asked for again."""

PATH_LIMIT = 512
"""Characters of a path. The longest path of a Connector has 390; a review may name a namespace of megabytes,
which cannot exist."""


class LiveQuestions:
    """Asks for objects by path. `ClusterUnavailable` also if a question does not get its turn in time."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._slots = FairSlots(QUESTIONS_LIMIT)
        self._absent: OrderedDict[str, float] = OrderedDict()
        """Path → time of the answer, the oldest first"""

    async def get(self, path: str, namespace: str) -> Json | None:
        """The object, or None. `namespace` is for the fair shares."""
        if len(path) > PATH_LIMIT or self._is_absent(path):
            return None
        try:
            async with asyncio.timeout(LIVE_SECONDS) as turn, self._slots.hold(namespace):
                turn.reschedule(None)
                return await self._ask(path)
        except TimeoutError:
            sentence = f"too many questions wait for the API server: GET {path} got no turn"
            raise ClusterUnavailable(sentence) from None

    async def _ask(self, path: str) -> Json | None:
        if self._is_absent(path):  # another review has asked meanwhile
            return None
        answer = await self._api.get(path, seconds=LIVE_SECONDS)
        if answer is None:
            self._remember(path)
        return answer

    def _is_absent(self, path: str) -> bool:
        at = self._absent.get(path)
        return at is not None and asyncio.get_running_loop().time() - at < ABSENT_SECONDS

    def _remember(self, path: str) -> None:
        self._absent[path] = asyncio.get_running_loop().time()
        self._absent.move_to_end(path)
        if len(self._absent) > ABSENT_LIMIT:
            self._absent.popitem(last=False)
