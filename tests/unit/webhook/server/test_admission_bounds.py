"""The traces of a stranger's review: a short log line, and an answer that counts until it is read."""

import asyncio
import json
import logging
from typing import Any

import pytest

from support.components.reviews import SETTINGS, document, find, post_now
from webhook.limits.budgets import Budget
from webhook.server import admission
from webhook.server.admission import create_app
from webhook.server.logs import JsonFormatter


@pytest.mark.parametrize(
    "strange", ["\ud800" * 1_000_000, ["x"] * 1000, {"a": "b"}, 7], ids=["text", "list", "object", "number"]
)
def test_a_strangers_texts_in_a_review_are_logged_shortened(
    strange: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for changes in (
        {"operation": strange},
        {"namespace": strange},
        {"object": {"metadata": {"name": strange}}},
    ):
        assert len(post_now(document(**changes)).content) < 64 * 1024
    lines = [
        JsonFormatter().format(record)
        for record in caplog.records
        if record.name == "webhook.server.admission"
    ]
    assert len(lines) == 3
    assert max(map(len, lines)) < 2000
    fields = [json.loads(line) for line in lines]
    assert all(isinstance(line.get(name), str | None) for line in fields for name in ("operation", "pod"))


class _Watched(Budget):
    """The budget of the app, for a test to look into."""

    last: "_Watched"

    def __init__(self, *limits: int) -> None:
        super().__init__(*limits)
        _Watched.last = self


def held_while_sending(
    monkeypatch: pytest.MonkeyPatch, *, others: int = 0
) -> tuple[list[dict[str, Any]], list[int], list[str]]:
    """The sent messages, the bytes held at each message, and the aborts of the connection.

    The client reads the answer only if it is not evicted before.
    """
    monkeypatch.setattr(admission, "Budget", _Watched)
    sent: list[dict[str, Any]] = []
    held: list[int] = []
    aborted: list[str] = []
    body = json.dumps(document()).encode()

    async def run() -> None:
        app = create_app(lambda: SETTINGS, find)
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            held.append(_Watched.last.held_bytes)
            if others and message["type"] == "http.response.body":
                with _Watched.last.hold("192.0.2.9", lambda: None) as hold:
                    hold.grow(others)
                    await asyncio.sleep(60)

        def abort() -> None:
            aborted.append("aborted")
            gone.set()

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/mutate",
            "headers": [(b"content-type", b"application/json")],
            "query_string": b"",
            "client": ("192.0.2.1", 1),
            "extensions": {"abort": {"call": abort}},
        }
        await asyncio.wait_for(app(scope, receive, send), 5)

    asyncio.run(run())
    return sent, held, aborted


def test_a_review_counts_with_its_answer_until_the_client_has_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent, held, aborted = held_while_sending(monkeypatch)
    # the server waits before each message until the previous message has left: so the last message is empty
    assert [(message.get("body", b"") != b"", message.get("more_body")) for message in sent] == [
        (False, None),
        (True, True),
        (False, False),
    ]
    assert min(held) >= len(json.dumps(document())) + len(sent[1]["body"])
    assert (_Watched.last.held_bytes, aborted) == (0, [])


def test_an_answer_that_nobody_reads_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "HELD_LIMIT", 64 * 1024)
    monkeypatch.setattr(admission, "HELD_PER_PEER_LIMIT", 64 * 1024)
    sent, _, aborted = held_while_sending(monkeypatch, others=63 * 1024)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert aborted == ["aborted"]
