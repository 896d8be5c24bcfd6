"""HTTP edge of the broker: bearer token and connector in, grant or problem document (RFC 9457) out.

No policy lives here. Every answer but the grant is a problem document with a stable `reason`. For a failure
that nobody foresaw, the log has its type and place, never its text, which could hold a secret.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sidecar.contract.grant import Grant
from sidecar.contract.words import GATEWAY_GRANTS_PATH, GRANTS_PATH
from webhook import names
from webhook.cluster.events import Recorder
from webhook.errors import ClusterRefused, ClusterUnavailable, Refusal, describe_failure
from webhook.grant.cluster import Cluster
from webhook.grant.granting import grant, identify
from webhook.grant.notices import GRANTED, Outcomes, PodEvent
from webhook.grant.reasons import BrokerReason
from webhook.grant.trail import Trail
from webhook.identifiers import ConnectorKey
from webhook.pod.settings import Settings
from webhook.server.gateway_route import GatewayRoute
from webhook.server.grant_reading import DEADLINE_SECONDS, read_grant_request
from webhook.server.problem_documents import LACKING_RIGHT, problem
from webhook.server.reception import Reception

logger = logging.getLogger(__name__)

_UNAVAILABLE = "the broker cannot ask the API server; the sidecar asks again by itself"


def create_app(
    settings: Callable[[], Settings],
    cluster: Cluster,
    recorder: Recorder | None = None,
    doubt: Callable[[ConnectorKey], None] = lambda connector: None,
    namespace: str = names.NAMESPACE,
) -> FastAPI:
    """`settings` is called for each grant, because authorities come and go. `recorder` writes Events on Pods.
    `doubt` is called with a Connector whose registry does not serve. `namespace` is the product's own."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    reception = Reception()
    app.post(GRANTS_PATH)(_GrantRoute(settings, cluster, recorder, doubt, reception).answer)
    gateways = GatewayRoute(settings, cluster, doubt, reception, namespace)
    app.post(GATEWAY_GRANTS_PATH)(gateways.answer)

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
        return problem(BrokerReason.CLUSTER_UNAVAILABLE, "the cluster cannot be asked yet")

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        reason = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        sentence = f"this server answers POST {GRANTS_PATH} and POST {GATEWAY_GRANTS_PATH}"
        return problem(reason, sentence, error.status_code, error.headers)

    return app


class _GrantRoute:
    """The route for grants. Each end of an exchange has an answer and a line in the log.

    If the API server verified the Pod, it has an Event as well.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        cluster: Cluster,
        recorder: Recorder | None,
        doubt: Callable[[ConnectorKey], None],
        reception: Reception,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._recorder = recorder
        self._doubt = doubt
        self._outcomes = Outcomes()
        self._reception = reception

    async def answer(self, http: Request) -> Response:
        trail = Trail()
        peer = http.client.host if http.client else ""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                with self._reception.arrival(peer):
                    token, request = await read_grant_request(http)
                # after the body: a slow client must not hold a turn
                async with self._reception.turn(peer, token) as turn:
                    trail = Trail(connector=request.connector)
                    caller = await identify(self._cluster, token)
                    turn.accept(caller.pod_uid)
                    trail = trail.with_caller(caller)
                    issued = await grant(self._cluster, self._settings(), caller, request)
                    trail = trail.with_grant(issued, request)
            return await self._granted(trail, issued)
        except Refusal as error:
            return await self._refused(trail, error)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except (ClusterUnavailable, TimeoutError) as error:
            return await self._unavailable(trail, error)
        except ClusterRefused as error:
            return await self._lacking_right(trail, error)
        except Exception as error:  # noqa: BLE001 (an edge)
            logger.error("internal error", extra=describe_failure(error))
            _audit(trail, "failed", BrokerReason.INTERNAL_ERROR)
            return problem(BrokerReason.INTERNAL_ERROR, "the broker failed; its log says where")

    async def _granted(self, trail: Trail, issued: Grant) -> Response:
        _audit(trail, "granted", GRANTED)
        if trail.connector and trail.is_doubtful:
            self._doubt(trail.connector)
        await self._record(self._outcomes.troubled(trail) or self._outcomes.granted(trail, issued))
        return JSONResponse(issued.document(), headers={"Cache-Control": "no-store"})

    async def _refused(self, trail: Trail, error: Refusal) -> Response:
        if trail.connector is not None:  # the reception counts requests that never came to a review
            _audit(trail, "refused", error.reason)
        await self._record(self._outcomes.refused(trail, error.reason, error.message))
        return problem(error.reason, error.message)

    async def _unavailable(self, trail: Trail, error: Exception) -> Response:
        detail = str(error) or f"no answer from the cluster within {DEADLINE_SECONDS:g} seconds"
        _audit(trail, "unavailable", BrokerReason.CLUSTER_UNAVAILABLE)
        # without the detail, which differs from time to time: repeats are to be one Event
        await self._record(self._outcomes.refused(trail, BrokerReason.CLUSTER_UNAVAILABLE, _UNAVAILABLE))
        return problem(BrokerReason.CLUSTER_UNAVAILABLE, detail)

    async def _lacking_right(self, trail: Trail, error: ClusterRefused) -> Response:
        logger.error("the API server refuses the broker", extra={"cause": str(error)})
        _audit(trail, "unavailable", BrokerReason.CLUSTER_REFUSED)
        await self._record(self._outcomes.refused(trail, BrokerReason.CLUSTER_REFUSED, LACKING_RIGHT))
        return problem(BrokerReason.CLUSTER_REFUSED, LACKING_RIGHT)

    async def _record(self, event: PodEvent | None) -> None:
        if self._recorder is not None and event is not None:
            await self._recorder.record(
                event.regarding,
                reason=event.reason,
                message=event.message,
                kind="Warning" if event.is_warning else "Normal",
                related=event.related,
                once=event.once,
            )


def _audit(trail: Trail, result: str, reason: str) -> None:
    connector = trail.connector and str(trail.connector)
    logger.info("grant", extra={**asdict(trail), "connector": connector, "result": result, "reason": reason})
