"""Large reviews in turns by namespace, and reviews that nobody waits for any more."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.types import Message

from support.components.reviews import SETTINGS, document
from support.machine.virtual_time import run_virtually
from webhook.connector.manifest import MaybeConnector
from webhook.identifiers import ConnectorKey
from webhook.server.admission import LARGE_BYTES, create_app

SECONDS = 0.05
"""What the lookup of a Connector takes, in which a review holds its turn"""


class Admission:
    """An app that notes each Connector it is asked for: none exists."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.asked: list[str] = []
        self._seconds = seconds
        self._app = create_app(lambda: SETTINGS, self._find)

    async def _find(self, keys: Sequence[ConnectorKey]) -> Mapping[ConnectorKey, MaybeConnector]:
        self.asked += [key.name for key in keys]
        await asyncio.sleep(self._seconds)
        return dict.fromkeys(keys)

    async def review(
        self, name: str, *, is_large: bool = True, query: str = "", is_gone: bool = False
    ) -> int:
        """`namespace-number`. The status of the answer, or 0 if none was read."""
        events: list[Message] = [{"type": "http.request", "body": _body(name, is_large), "more_body": False}]
        statuses: list[int] = []

        async def receive() -> Message:
            if events:
                return events.pop()
            if not is_gone:
                await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        headers = [(b"content-type", b"application/json")]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mutate", "headers": headers}
        await self._app({**scope, "query_string": query.encode(), "client": ("192.0.2.1", 1)}, receive, send)
        return statuses[0] if statuses else 0


def _body(name: str, is_large: bool) -> bytes:
    padding = "x" * (LARGE_BYTES // 4 if is_large else 10)
    metadata = {"annotations": {"connectors.alauda.io/connector": name, "padding": padding}}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "main"}]}}
    return json.dumps(document(namespace=name.partition("-")[0], object=pod)).encode()


async def all_of(admission: Admission, names: Iterable[str]) -> list[int]:
    return await asyncio.gather(*(admission.review(name) for name in names))


def test_large_reviews_of_a_namespace_do_not_keep_another_waiting() -> None:
    async def story() -> None:
        admission = Admission()
        statuses = await all_of(admission, ["a-0", "a-1", "a-2", "a-3", "b-0"])
        assert admission.asked == ["a-0", "a-1", "b-0", "a-2", "a-3"]
        assert statuses == [200] * 5

    run_virtually(story())


def test_a_usual_review_waits_for_no_turn() -> None:
    async def story() -> None:
        admission = Admission()
        crowd = asyncio.create_task(all_of(admission, ["a-0", "a-1", "a-2", "a-3"]))
        await asyncio.sleep(0.01)
        assert await admission.review("a-usual", is_large=False) == 200
        assert admission.asked == ["a-0", "a-usual"]
        await crowd

    run_virtually(story())


def test_what_nobody_waits_for_any_more_is_not_decided() -> None:
    async def story() -> None:
        admission = Admission(seconds=3.0)
        statuses = await asyncio.gather(
            admission.review("a-0"),
            admission.review("b-late", query="timeout=2s"),
            admission.review("c-gone", is_gone=True),
            admission.review("d-patient", query="timeout=9s"),
            admission.review("e-gone", is_large=False, is_gone=True),
        )
        assert admission.asked == ["a-0", "d-patient"]
        assert statuses == [200, 503, 400, 200, 400]

    run_virtually(story())


def test_a_review_ends_with_its_callers_patience() -> None:
    async def story() -> None:
        begin = asyncio.get_running_loop().time()
        status = await Admission(seconds=60.0).review("a-0", is_large=False, query="timeout=5s")
        assert (status, asyncio.get_running_loop().time() - begin) == (503, 5.0)

    run_virtually(story())
