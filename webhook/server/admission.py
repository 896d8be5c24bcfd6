"""Admission's HTTP edge: `POST /mutate`, and two probes. It holds no policy.

Every input has an answer. A request with a uid gets an AdmissionReview with that uid. Any other input gets a
4xx, on which `failurePolicy` decides. The route takes the raw request: FastAPI answers 422 to a body that
does not fit its type.
"""

import asyncio
import contextlib
import functools
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Send

from webhook.errors import ClusterUnavailable, describe_failure
from webhook.limits.budgets import Budget, Hold, Overfull, parsed_bytes
from webhook.limits.long_turns import LongTurns
from webhook.limits.tally import Tally
from webhook.pod.settings import Settings
from webhook.server import review
from webhook.server.body import Fault, UnusableBody, content_type, read_body
from webhook.server.review_head import patience_seconds, peek_namespace
from webhook.server.reviewer import ConnectorLookup, NamespaceLookup, Reviewer, find_no_namespace
from webhook.server.sending import Sent, abort, send_whole

BODY_LIMIT = 7 * 1024 * 1024
"""The API server accepts objects of up to 3 MiB. A review holds the object, and for other operations the old
object as well. 1 MiB is left for the envelope."""

BODY_SECONDS = 5.0
"""The API server waits this long for the whole answer, and sends head and body at once."""

HELD_LIMIT = 96 * 1024 * 1024
"""Bytes of all reviews together, as text and parsed: a Pod of 30 kB counts as 350 kB. Process and caches take
150 MiB, connections 134 (`doors.Limits`), and the Pod under decision 100. The sum stays below 512 MiB, the
limit in `manifests/base/admission.yaml`."""

UID_LIMIT = 128
"""The API server's are UUIDs: 36 characters"""

NAME_LIMIT = 253
"""Characters of a Pod's name in Kubernetes; the other texts of a log line are shorter"""

LARGE_BYTES = 384 * 1024
"""Reviews that take more than this when parsed, as a Pod of 32 kB does, take turns by namespace. All tenants'
reviews come from the same peer, the API server, and share one event loop: a Pod of 32 kB holds it for 20 ms,
the largest for 100. Besides, two Pods of 1.7 MB would use up the API server's share of memory."""

HELD_PER_PEER_LIMIT = 64 * 1024 * 1024
"""Two thirds of `HELD_LIMIT`: the rest is reserved for other peers"""

_FAILED = "the webhook has failed on this Pod: its log tells the cause, under the review's uid; try again"

logger = logging.getLogger(__name__)


def create_app(
    settings: Callable[[], Settings],
    connectors: ConnectorLookup,
    *,
    namespaces: NamespaceLookup = find_no_namespace,
    has_csi_driver: Callable[[], bool] = lambda: False,
    is_ready: Callable[[], bool] = lambda: True,
) -> FastAPI:
    """`settings` is called for each Pod, for authorities come and go. `is_ready` says whether the caches
    behind the lookups are filled. `has_csi_driver` says whether a CSIDriver `names.CSI_DRIVER` exists."""
    route = _ReviewRoute(Reviewer(settings, connectors, namespaces, has_csi_driver))
    app = FastAPI(title="pypi-connector admission", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/mutate")
    async def mutate(http: Request) -> Response:
        return Sent(functools.partial(route.respond, http))

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        if is_ready():
            return Response("ok\n", media_type="text/plain")
        return Response("connectors are not listed yet\n", 503, media_type="text/plain")

    return app


class _ReviewRoute:
    """The route for reviews: each is read, answered and sent within the memory that all of them share."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer
        self._budget = Budget(HELD_LIMIT, HELD_PER_PEER_LIMIT)
        self._tally = Tally(logger, "admission reviews not usable")
        self._turns = LongTurns()

    async def respond(self, http: Request, send: Send) -> None:
        peer = http.client.host if http.client else ""
        is_answered = False
        deadline = asyncio.get_running_loop().time() + patience_seconds(http)
        try:
            async with asyncio.timeout(None) as eviction:
                with self._budget.hold(peer, lambda: eviction.reschedule(0)) as hold:
                    response = await self._answer(http, hold, deadline)
                    hold.answer(len(response.body))
                    is_answered = True
                    await send_whole(response, send)
                    return
        except (Overfull, TimeoutError):
            error = _Unusable(503, "there is no memory left for a review of this size: try again")
        except _Unusable as unusable:
            error = unusable
        self._tally.count_and_report(f"{error.status}: {str(error)[:200]}", peer, time.monotonic())
        if is_answered:
            await abort(http)
        else:
            refusal = Response(f"{error}\n", error.status, media_type="text/plain")
            await refusal(http.scope, http.receive, send)

    async def _answer(self, http: Request, hold: Hold, deadline: float) -> Response:
        body = await _body(http, hold)
        parsed = parsed_bytes(body)
        turn = self._turns.take(peek_namespace(body)) if parsed > LARGE_BYTES else contextlib.nullcontext()
        try:
            async with asyncio.timeout_at(deadline), turn:
                if await http.is_disconnected():
                    raise _Unusable(400, "the client has gone before its review had its turn")
                hold.grow(parsed)
                request, uid = _request(_parse(body))
                answer = await self._review(request, uid)
                # json escapes what is not ASCII: a lone surrogate of the input could not be encoded
                return Response(json.dumps(answer), media_type="application/json")
        except TimeoutError:
            raise _Unusable(503, "the time for an answer has passed: try again") from None

    async def _review(self, request: Mapping[str, Any], uid: str) -> review.Review:
        started = time.monotonic()
        try:
            reason, answer = await self._reviewer.answer(request, uid)
        except ClusterUnavailable as error:
            reason = "ClusterUnavailable"
            answer = review.errored(uid, 503, reason, f"{error}: try again")
        except Exception as error:  # noqa: BLE001 (the edge: any failure leaves as a review, with the uid)
            logger.error("admission failed", extra={"uid": uid, **describe_failure(error)})
            reason = "InternalError"
            answer = review.errored(uid, 500, reason, _FAILED)
        logger.info("admission", extra=_fields(request, answer, reason, time.monotonic() - started))
        return answer


class _Unusable(Exception):
    """The input has no uid to answer to with a review; the text says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _body(http: Request, hold: Hold) -> bytearray:
    try:
        body = await read_body(http, limit=BODY_LIMIT, seconds=BODY_SECONDS, count=hold.grow)
    except UnusableBody as error:
        raise _unusable(error.fault, http) from None
    except ClientDisconnect:
        raise _Unusable(400, "the client has gone before its request was complete") from None
    hold.settle()
    return body


def _unusable(fault: Fault, http: Request) -> _Unusable:
    match fault:
        case Fault.TYPE:
            return _Unusable(415, f"content type must be application/json, not {content_type(http)[:100]!r}")
        case Fault.SIZE:
            return _Unusable(413, f"an admission review has at most {BODY_LIMIT} bytes")
        case Fault.TIME:
            return _Unusable(408, f"the body did not arrive within {BODY_SECONDS:g} seconds")


def _parse(body: bytearray) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Unusable(400, f"the body is not JSON ({type(error).__name__})") from None
    if not isinstance(document, dict) or document.get("kind") != review.KIND:
        raise _Unusable(400, f"the body is no {review.KIND}")
    if document.get("apiVersion") != review.API_VERSION:
        version = str(document.get("apiVersion"))[:64]
        raise _Unusable(400, f"the review is of {version!r}; only {review.API_VERSION} is answered")
    return document


def _request(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    request = document.get("request")
    uid = request.get("uid") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(uid, str) or not uid:
        raise _Unusable(400, "the review has no request with a uid")
    if len(uid) > UID_LIMIT:
        raise _Unusable(400, f"the review has a uid of more than {UID_LIMIT} characters")
    return request, uid


def _fields(
    request: Mapping[str, Any], answer: review.Review, reason: str, seconds: float
) -> dict[str, object]:
    """The fields of the log line. Never the Pod: its variables may hold secrets."""
    pod = request.get("object")
    metadata = pod.get("metadata") if isinstance(pod, dict) else None
    names = metadata if isinstance(metadata, dict) else {}
    dropped = answer["response"].get("auditAnnotations", {}).get(review.DROPPED)
    return {
        "uid": answer["response"]["uid"],
        "operation": _text(request.get("operation")),
        "namespace": _text(request.get("namespace")),
        "pod": _text(names.get("name") or names.get("generateName")),
        "allowed": answer["response"]["allowed"],
        "reason": reason,
        "milliseconds": round(seconds * 1000, 1),
        **({"dropped": dropped} if dropped else {}),
    }


def _text(value: object) -> str | None:
    return value[:NAME_LIMIT] if isinstance(value, str) else None
