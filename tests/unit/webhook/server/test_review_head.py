"""The namespace and the patience of a review's caller, before the review is parsed."""

import json

import pytest
from fastapi import Request

from support.components.reviews import REQUEST, document
from webhook.server.review_head import PATIENCE_LIMIT, patience_seconds, peek_namespace


def with_query(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("timeout=5s", 5.0),
        ("timeout=10s", 10.0),
        ("timeout=500ms", 0.5),
        ("timeout=2.5s", 2.5),
        ("timeout=1m0s", PATIENCE_LIMIT),
        ("timeout=999999s", PATIENCE_LIMIT),
        ("", PATIENCE_LIMIT),
        ("timeout=", PATIENCE_LIMIT),
        ("timeout=-5s", PATIENCE_LIMIT),
        ("timeout=inf", PATIENCE_LIMIT),
        ("timeout=5", PATIENCE_LIMIT),
        ("timeout=" + "9" * 10_000 + "s", PATIENCE_LIMIT),
    ],
)
def test_the_api_server_says_how_long_it_waits(query: str, seconds: float) -> None:
    assert patience_seconds(with_query(query)) == seconds


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_the_namespace_is_the_requests(separators: tuple[str, str]) -> None:
    """The object has one as well, and comes later."""
    body = json.dumps(document(object={"metadata": {"namespace": "other"}}), separators=separators)
    assert peek_namespace(body.encode()) == "team-a"


@pytest.mark.parametrize("text", ['"namespace":"b"', '\\"namespace":"b"', '","namespace":"b","x":"'])
def test_no_text_imitates_the_field(text: str) -> None:
    body = json.dumps(document() | {"request": {"name": text, **REQUEST}}, separators=(",", ":"))
    assert peek_namespace(body.encode()) == "team-a"


@pytest.mark.parametrize("body", [b"", b"[", b'{"namespace": 7}', b" " * 20_000 + b'"namespace":"b"'])
def test_a_review_of_no_namespace_has_the_empty_one(body: bytes) -> None:
    assert peek_namespace(body) == ""
