"""Answers of the broker that are no grant: problem documents (RFC 9457) with a stable `reason`."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse, Response

from webhook.grant.reasons import status_of

RETRY_SECONDS = 5
"""Arbitrary. An API server elects a leader in less time; a longer wait would only hold up Pods."""

LACKING_RIGHT = (
    "the API server refuses what the broker asks, and the broker's log says what: if a right is missing, "
    "apply the product's manifests anew"
)


def problem(
    reason: str, detail: str, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Type "about:blank" with the status as title (RFC 9457 §4.2.1); programs read `reason`."""
    status = status or status_of(reason)
    fields = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    extra = dict(headers or {})
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        extra["Retry-After"] = str(RETRY_SECONDS)
    return JSONResponse(fields, status, {**extra, "Cache-Control": "no-store"}, "application/problem+json")
