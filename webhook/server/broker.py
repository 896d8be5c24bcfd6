"""HTTP edge of the broker: bearer token and connector in, grant or problem document (RFC 9457) out.

No policy lives here. Every answer but the grant is a problem document with a stable `reason`; a failure that
nobody foresaw tells its reader nothing, and the log its type and place: its text could hold a secret.
"""

import asyncio
import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from sidecar.contract.words import CAUSES, GRANTS_PATH, Code
from webhook.cluster.events import Recorder
from webhook.errors import ClusterRefused, ClusterUnavailable, Refusal
from webhook.grant.cluster import Cluster
from webhook.grant.granting import Trail, grant
from webhook.grant.notices import GRANTED, Outcomes, Told
from webhook.pod.settings import Settings
from webhook.server.reception import Reception

logger = logging.getLogger(__name__)

BODY_LIMIT = 4096
"""Bytes. A connector's key is at most 63 + 1 + 253, a version about 120: ten times that, to be safe."""

BODY_SECONDS = 3.0
"""A sidecar sends head and body in one packet; whoever needs longer holds a connection for nothing."""

DEADLINE_SECONDS = 8.0
"""For body and cluster together: the sidecar waits 10 s, and 503 is a better answer than none."""

RETRY_SECONDS = 5
"""Arbitrary; longer than an API server takes to elect a leader would keep Pods waiting for nothing."""

DOUBTFUL = (Code.CREDENTIAL_REFUSED, Code.CREDENTIAL_RESTS, Code.REGISTRY_UNREACHABLE)
"""Causes that concern the Connector, and not only one package"""

_UNAVAILABLE = "the broker cannot ask the API server; the sidecar asks again by itself"
_REFUSED = (
    "the API server refuses what the broker asks, and the broker's log says what: if a right is missing, "
    "apply the product's manifests anew"
)

_BEARER = re.compile(r"Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *", re.IGNORECASE)
_CONNECTOR = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def create_app(
    settings: Callable[[], Settings],
    cluster: Cluster,
    recorder: Recorder | None = None,
    doubt: Callable[[str], None] = lambda connector: None,
) -> FastAPI:
    """`settings` is called for each grant, because authorities come and go. `recorder` writes Events on Pods.
    `doubt` is called with a Connector whose registry does not serve."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    outcomes = Outcomes()
    reception = Reception()

    async def tell(told: Told | None) -> None:
        if recorder is not None and told is not None:
            await recorder.record(
                told.regarding,
                reason=told.reason,
                message=told.message,
                kind="Warning" if told.is_warning else "Normal",
                related=told.related,
                once=told.once,
            )

    @app.post(GRANTS_PATH)
    async def grants(request: Request) -> Response:
        trail = Trail()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                issued = await _grant(request, settings(), cluster, trail, reception)
            _audit(trail, "granted", GRANTED)
            if trail.connector and trail.cause in DOUBTFUL:
                doubt(trail.connector)
            await tell(outcomes.troubled(trail) or outcomes.granted(trail, issued))
            return JSONResponse(issued.document(), headers={"Cache-Control": "no-store"})
        except Refusal as error:
            if trail.connector is not None:  # the reception counts what never came to a review
                _audit(trail, "refused", error.reason)
            await tell(outcomes.refused(trail, error.reason, error.message))
            return _problem(error.status, error.reason, error.message)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        except (ClusterUnavailable, TimeoutError) as error:
            detail = str(error) or f"no answer from the cluster within {DEADLINE_SECONDS:g} seconds"
            _audit(trail, "unavailable", "ClusterUnavailable")
            # without the detail, which differs from time to time: repeats are to be one Event
            await tell(outcomes.refused(trail, "ClusterUnavailable", _UNAVAILABLE))
            return _problem(503, "ClusterUnavailable", detail)
        except ClusterRefused as error:
            # 503 and not 403, which would end the grants in hand: nobody has said no to this Pod
            logger.error("the API server refuses the broker", extra={"cause": str(error)})
            _audit(trail, "unavailable", "ClusterRefused")
            await tell(outcomes.refused(trail, "ClusterRefused", _REFUSED))
            return _problem(503, "ClusterRefused", _REFUSED)
        except Exception as error:  # noqa: BLE001 (an edge)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = {"error": type(error).__name__, "place": f"{frame.filename}:{frame.lineno}"}
            logger.error("internal error", extra=place)
            _audit(trail, "failed", "InternalError")
            return _problem(500, "InternalError", "the broker failed; its log says where")

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> Response:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                if await cluster.is_ready():
                    return PlainTextResponse("ok")
        except (ClusterUnavailable, TimeoutError):
            pass
        return _problem(503, "ClusterUnavailable", "the cluster cannot be asked yet")

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        reason = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        return _problem(error.status_code, reason, f"this server answers POST {GRANTS_PATH}", error.headers)

    return app


async def _grant(
    request: Request, settings: Settings, cluster: Cluster, trail: Trail, reception: Reception
) -> Grant:
    peer = request.client.host if request.client else ""
    with reception.arrival(peer):
        token = _bearer(request)
        connector_key, rejected, cause, enforces = _parse_body(await _read_body(request))
    async with reception.turn(peer, token, trail):  # after the body: a slow client must not hold a turn
        return await grant(
            cluster,
            settings,
            token=token,
            connector_key=connector_key,
            rejected=rejected,
            cause=cause,
            trail=trail,
            enforces=enforces,
        )


def _bearer(request: Request) -> Secret:
    values = request.headers.getlist("Authorization")
    if not values:
        raise Refusal("TokenMissing", "send the projected token as Authorization: Bearer", status=401)
    match = _BEARER.fullmatch(values[0])
    if not match or len(values) > 1:
        # seen here, it costs the API server nothing
        raise Refusal("TokenMalformed", "Authorization is not one bearer token in JWT form", status=401)
    return Secret(match[1])


async def _read_body(request: Request) -> bytes:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal("UnsupportedMediaType", "the body must be application/json", status=415)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Refusal("BodyTooLarge", f"the body may have {BODY_LIMIT} bytes", status=413)
    except TimeoutError:
        sentence = f"the body did not arrive within {BODY_SECONDS:g} seconds"
        # not 408: the network is at fault, and a sidecar ends its grant on any 4xx
        raise Refusal("BodyTooSlow", sentence, status=503) from None
    return bytes(body)


def _parse_body(body: bytes) -> tuple[str, str | None, str | None, list[str]]:
    """The fields that `contract.grant_request` sends. Unknown fields pass: a newer sidecar may send more."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal("BodyMalformed", "the body is not JSON", status=400) from None
    if not isinstance(fields, dict):
        raise Refusal("BodyMalformed", "the body must be a JSON object", status=400)
    connector, rejected = fields.get("connector"), fields.get("rejected")
    if not isinstance(connector, str) or not _CONNECTOR.fullmatch(connector):
        raise Refusal("BodyMalformed", '"connector" must be a text namespace/name', status=400)
    if not (rejected is None or isinstance(rejected, str)):
        raise Refusal("BodyMalformed", '"rejected" must be a version or null', status=400)
    cause = fields.get("cause")
    if not (cause is None or isinstance(cause, str)):
        raise Refusal("BodyMalformed", '"cause" must be a text or null', status=400)
    enforces = fields.get("enforces", [])  # an older sidecar does not say
    if not isinstance(enforces, list) or not all(isinstance(one, str) for one in enforces):
        raise Refusal("BodyMalformed", '"enforces" must be a list of texts', status=400)
    return connector, rejected, cause if cause in CAUSES else None, enforces


def _audit(trail: Trail, result: str, reason: str) -> None:
    logger.info("grant", extra={**asdict(trail), "result": result, "reason": reason})


def _problem(status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Type "about:blank" with the status as title (RFC 9457 §4.2.1): `reason` is what programs read."""
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
