"""Parses answers of the API server into an object, an event of a watch, or one of `webhook.errors`. Pure."""

import json

from webhook.cluster.json_depth import parse
from webhook.cluster.json_stream import Lines, TooLong
from webhook.cluster.trim import Json, Trim
from webhook.errors import ClusterRefused, ClusterUnavailable, Conflict, Forbidden, Gone, NotFound

_REFUSALS = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}
_SENTENCE_LIMIT = 500


def object_of(method: str, path: str, data: bytes | bytearray) -> Json:
    try:
        document = parse(data)
    except (ValueError, RecursionError) as error:
        raise ClusterUnavailable(f"the API server answered {method} {path} without JSON") from error
    if not isinstance(document, dict):
        raise ClusterUnavailable(f"the API server answered {method} {path} without an object")
    return document


def lines_of(path: str, lines: Lines, chunk: bytes) -> list[bytes]:
    try:
        return lines.feed(chunk)
    except TooLong as error:
        raise Gone(f"the watch of {path} cannot be read on: {error}") from error


def event_of(path: str, line: bytes, trim: Trim) -> Json:
    """Parse a line of a watch.

    Raises the refusal that an error event contains. Raises `Gone` for a line that cannot be read: another
    watch from the same version would meet the same line again.
    """
    try:
        event = object_of("watch", path, line)
    except ClusterUnavailable as error:
        raise Gone(str(error)) from error
    manifest = event.get("object") or {}
    if event.get("type") == "ERROR":
        raise refusal_of("watch", path, int(manifest.get("code") or 500), json.dumps(manifest).encode())
    return {"type": event.get("type"), "object": trim(manifest)}


def refusal_of(method: str, path: str, status: int, body: bytes) -> ClusterRefused | ClusterUnavailable:
    try:
        message = str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError, RecursionError):
        message = ""
    sentence = f"the API server answered {method} {path} with {status}: {message}"[:_SENTENCE_LIMIT]
    if status == 429 or status >= 500:
        return ClusterUnavailable(sentence)
    return _REFUSALS.get(status, ClusterRefused)(sentence)
