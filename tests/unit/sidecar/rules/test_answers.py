"""Answers of our own: every error has one, none makes a client ask for a password, a text stays a text."""

import inspect
from collections.abc import Iterator

import pytest

from sidecar.errors import (
    BrokerRefused,
    BrokerUnreachable,
    BrokerUntrusted,
    ClientGone,
    CredentialRefused,
    Refusal,
    SidecarError,
    UploadUnconfirmed,
    UpstreamBroken,
    UpstreamUnreachable,
)
from sidecar.exchange.server import PortTaken
from sidecar.http.http1 import ResponseReader, find
from sidecar.rules.answers import Answer, answer_of, render_answer

SENTENCE = "a sentence for anybody"


def tree(root: type[SidecarError]) -> Iterator[type[SidecarError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def make(kind: type[SidecarError]) -> SidecarError:
    """An instance, whatever its constructor wants."""
    if kind.__init__ is Exception.__init__:
        return kind(SENTENCE)
    refusal = Refusal(418, "some-code", SENTENCE)
    known = {
        "refusal": refusal,
        "status": 418,
        "code": "some-code",
        "connector": "team/pypi",
        "reason": "NotAllowed",
    }
    wanted = inspect.signature(kind).parameters.values()
    required = [one.name for one in wanted if one.default is one.empty]
    return kind(*(known.get(name, SENTENCE) for name in required))


KINDS = list(tree(SidecarError))


def test_the_whole_tree_is_looked_at() -> None:
    assert {
        SidecarError,
        CredentialRefused,
        BrokerRefused,
        UpstreamBroken,
        PortTaken,
    } <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_answer_that_a_package_client_can_bear(kind: type[SidecarError]) -> None:
    answer = answer_of(make(kind))
    assert 400 <= answer.status <= 599
    assert answer.status not in (401, 407), "pip would ask for a password"
    assert answer.status != 504, "pip does not repeat it"
    assert answer.code
    assert answer.sentence


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_error_of_the_tree_but_an_unknown_one_is_called_internal(kind: type[SidecarError]) -> None:
    own_branch = [Refusal, BrokerRefused, BrokerUnreachable, UpstreamBroken, UpstreamUnreachable]
    is_answered = any(issubclass(kind, one) for one in own_branch)
    assert (answer_of(make(kind)).code == "internal-error") is not is_answered


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (Refusal(404, "code", "s"), Answer(404, "code", "s")),
        (Refusal(503, "code", "s", retry_after=7), Answer(503, "code", "s", 7)),
        (BrokerRefused("NotAllowed", "s"), Answer(403, "NotAllowed", "no grant: s")),
        (BrokerUnreachable("s"), Answer(503, "broker-unreachable", "no grant yet: s", 5)),
        (BrokerUntrusted("s"), Answer(503, "broker-untrusted", "no grant: s", 5)),
        (UpstreamUnreachable("s"), Answer(502, "registry-unreachable", "s")),
        (UploadUnconfirmed("s"), Answer(424, "upload-unconfirmed", "s")),  # twine repeats after any 5xx
        (UpstreamBroken("s", started=False), Answer(502, "registry-broke-off", "s")),
    ],
)
def test_the_table_of_answers(error: SidecarError, answer: Answer) -> None:
    assert answer_of(error) == answer


def test_a_refused_credential_says_which_connector_and_what_to_do() -> None:
    answer = answer_of(CredentialRefused("team/pypi"))
    assert (answer.status, answer.code) == (403, "credential-refused")
    assert "team/pypi" in answer.sentence
    assert "correct the Secret" in answer.sentence


def test_an_error_nobody_knows_says_nothing_of_itself() -> None:
    answer = answer_of(ClientGone("canary-internal"))
    assert answer.status == 500
    assert "canary" not in answer.sentence


def render(answer: Answer, *, is_head: bool = False, closes: bool = False) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader("GET")
    body = reader.feed(render_answer(answer, is_head=is_head, closes=closes))
    assert body is not None
    return reader, body


def test_an_answer_stands_in_the_reason_phrase_and_in_the_body() -> None:
    reader, body = render(Answer(403, "code", SENTENCE, retry_after=3), closes=True)
    head = reader.head()
    assert (head.status, head.reason, body) == (403, SENTENCE.encode(), SENTENCE.encode() + b"\n")
    assert head.headers == [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"3"),
        (b"connection", b"close"),
    ]


def test_an_answer_to_head_has_the_length_and_not_the_body() -> None:
    reader, body = render(Answer(404, "code", SENTENCE), is_head=True)
    assert body == b""
    assert find(reader.head().headers, b"content-length") == b"%d" % (len(SENTENCE) + 1)
    assert find(reader.head().headers, b"connection") is None


SENTENCES = {
    "a line feed": "a\nb",
    "a whole response": "a\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: x\r\n\r\n<html>",
    "a header": "a\r\nSet-Cookie: x",
    "NUL and DEL": "\x00\x7f\x1b[2J",
    "Unicode line ends": "a\u2028b\x85c\x0bd\x0ce",
    "beyond ASCII": "der Schlüssel fehlt: 鍵",
    "half a character": "\ud800 from a JSON text",
    "very long": "x" * 100_000,
    "empty": "",
}


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES.keys())
def test_nothing_in_a_sentence_ends_the_line_it_stands_in(sentence: str) -> None:
    raw = render_answer(Answer(502, "code", sentence), is_head=False, closes=False)
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert len(lines) == 4
    assert all(32 <= octet < 127 for line in lines for octet in line), "a control character in the head"
    assert len(lines[0]) < 500
    assert lines[0].startswith(b"HTTP/1.1 502 ")
    assert body == sentence.encode("utf-8", "replace") + b"\n"
    assert b"content-length: %d" % len(body) in lines
