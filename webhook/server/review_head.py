"""What admission learns about a review before it is parsed: its namespace, and how long its caller waits."""

import re

from fastapi import Request

PATIENCE_LIMIT = 30.0
"""Seconds. The API server allows no longer `timeoutSeconds` of a webhook."""

_TIMEOUT = re.compile(r"(?:([0-9]{1,2})m)?([0-9]{1,6}(?:\.[0-9]{1,9})?)(m?s)", re.ASCII)
_HEAD_BYTES = 16 * 1024
"""The fields before the namespace are names: uid, kind, resource, name."""
_NAMESPACE = re.compile(rb'"namespace" ?: ?"([a-z0-9-]{1,63})"')


def patience_seconds(http: Request) -> float:
    """The seconds that the caller waits: `?timeout=5s` of the API server, a duration as Go writes it."""
    match = _TIMEOUT.fullmatch(http.query_params.get("timeout", ""))
    if match is None:
        return PATIENCE_LIMIT
    minutes, count, unit = match.groups()
    seconds = 60 * int(minutes or 0) + float(count) / (1000 if unit == "ms" else 1)
    return min(seconds, PATIENCE_LIMIT)


def peek_namespace(body: bytes | bytearray) -> str:
    """The namespace of a review, for turns only; empty if it is not where the API server writes it.

    The API server writes the request's namespace before the user and the object. A text in JSON cannot
    imitate the field: its quotation marks are escaped.
    """
    match = _NAMESPACE.search(body, 0, _HEAD_BYTES)
    return match[1].decode() if match else ""
