"""Answers of our own: the status of each error, and the places of its sentence. Pure.

The sentence stands in the reason phrase, the body and the log. uv prints the reason phrase, and twine the
body. For an index page, pip prints neither.
"""

from typing import NamedTuple

from sidecar.contract.words import NO_GRANT, NO_GRANT_YET, Code
from sidecar.errors import (
    BrokerRefused,
    BrokerUnreachable,
    BrokerUntrusted,
    Refusal,
    SidecarError,
    UploadUnconfirmed,
    UpstreamBroken,
    UpstreamUnreachable,
)
from sidecar.http.http1 import Headers, render_response

_PHRASE_LIMIT = 400
"""Bytes; a status line stays well below the limits of clients (urllib3: 64 KiB, hyper: 400 KiB)"""

BROKER_RETRY_SECONDS = 5
"""pip asks six times, and each request waits for a grant too (`life.PATIENCE_SECONDS`): together that
outlasts a minute without a broker"""


class Answer(NamedTuple):
    status: int
    code: str
    """Stable, for the log"""
    sentence: str
    retry_after: int | None = None
    """Seconds"""


def answer_of(error: SidecarError) -> Answer:
    """Covers all of the tree in `errors.py` but ClientGone, for which there is no client left to answer.

    pip, uv's installer and twine repeat a request after a 503, and respect Retry-After. uv publish repeats an
    upload only after a broken connection. The status is never 504: pip does not repeat a request after it.
    """
    sentence = str(error)
    if isinstance(error, Refusal):
        return Answer(error.status, error.code, sentence, error.retry_after)
    if isinstance(error, BrokerRefused):
        return Answer(403, error.reason, NO_GRANT + sentence)
    if isinstance(error, BrokerUntrusted):
        return Answer(503, Code.BROKER_UNTRUSTED, NO_GRANT + sentence, retry_after=BROKER_RETRY_SECONDS)
    if isinstance(error, BrokerUnreachable):
        return Answer(503, Code.BROKER_UNREACHABLE, NO_GRANT_YET + sentence, retry_after=BROKER_RETRY_SECONDS)
    if isinstance(error, UpstreamUnreachable):
        return Answer(502, Code.REGISTRY_UNREACHABLE, f"{sentence}; {error.hint}" if error.hint else sentence)
    if isinstance(error, UploadUnconfirmed):  # after a 5xx twine would send it again; 409 is `exists` to it
        return Answer(424, Code.UPLOAD_UNCONFIRMED, sentence)
    if isinstance(error, UpstreamBroken):
        return Answer(502, Code.REGISTRY_BROKE_OFF, sentence)
    return Answer(500, Code.INTERNAL_ERROR, "the proxy failed; its log tells more")


def render_answer(answer: Answer, *, is_head: bool, closes: bool, extra: Headers | None = None) -> bytes:
    body = (answer.sentence + "\n").encode("utf-8", "replace")
    phrase = answer.sentence.encode("ascii", "replace")[:_PHRASE_LIMIT]
    headers: Headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *(extra or []),
    ]
    if answer.retry_after is not None:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    if closes:
        headers.append((b"connection", b"close"))
    return render_response(answer.status, phrase, headers) + (b"" if is_head else body)
