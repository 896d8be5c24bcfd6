"""HTTP edge for gateways: two tokens and a connector in, a grant for the client or a problem document out.

No policy lives here. No Event is written: a client of the gateway need not be a Pod. The log line names
client, connector and the gateway's Pod, and never a token.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.secret import Secret
from webhook.errors import ClusterRefused, ClusterUnavailable, Refusal, describe_failure
from webhook.grant import claims, gateway_rules
from webhook.grant.cluster import Cluster
from webhook.grant.gateway_granting import check_gateway, grant_to_client, identify_client
from webhook.grant.granting import identify
from webhook.grant.notices import GRANTED
from webhook.grant.reasons import BrokerReason
from webhook.grant.rules import Caller
from webhook.grant.trail import Trail
from webhook.identifiers import ConnectorKey
from webhook.pod.settings import Settings
from webhook.server.client_reception import ClientReception
from webhook.server.grant_reading import DEADLINE_SECONDS, read_gateway_request
from webhook.server.problem_documents import LACKING_RIGHT, problem
from webhook.server.reception import Reception

logger = logging.getLogger(__name__)


class GatewayRoute:
    """The route for grants to gateways. `reception` is shared with the sidecars' route."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        cluster: Cluster,
        doubt: Callable[[ConnectorKey], None],
        reception: Reception,
        namespace: str,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._doubt = doubt
        self._reception = reception
        self._clients = ClientReception()
        self._namespace = namespace

    async def answer(self, http: Request) -> Response:
        exchange = _Exchange()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                issued = await self._grant(http, exchange)
        except Refusal as error:
            return exchange.end("refused", error.reason, error.message)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except (ClusterUnavailable, TimeoutError) as error:
            detail = str(error) or f"no answer from the cluster within {DEADLINE_SECONDS:g} seconds"
            return exchange.end("unavailable", BrokerReason.CLUSTER_UNAVAILABLE, detail)
        except ClusterRefused as error:
            logger.error("the API server refuses the broker", extra={"cause": str(error)})
            return exchange.end("unavailable", BrokerReason.CLUSTER_REFUSED, LACKING_RIGHT)
        except Exception as error:  # noqa: BLE001 (an edge)
            logger.error("internal error", extra=describe_failure(error))
            return exchange.end(
                "failed", BrokerReason.INTERNAL_ERROR, "the broker failed; its log says where"
            )
        exchange.log("granted", GRANTED)
        if exchange.trail.is_doubtful and exchange.trail.connector:
            self._doubt(exchange.trail.connector)
        return JSONResponse(issued.document(), headers={"Cache-Control": "no-store"})

    async def _grant(self, http: Request, exchange: "_Exchange") -> GatewayGrant:
        peer = http.client.host if http.client else ""
        with _refusing_as_gateway():
            with self._reception.arrival(peer):
                own, token, request = await read_gateway_request(http)
            exchange.trail = Trail(connector=request.connector)
            await self._check_gateway(peer, own, exchange)
        async with self._clients.turn(token) as turn:
            exchange.is_reviewed = True
            client = await identify_client(self._cluster, token)
            turn.accept(client.identity.username)
            exchange.trail = exchange.trail.with_account(client)
            remaining = gateway_rules.check_life(claims.expiry(token.reveal()), time.time())
            issued = await grant_to_client(self._cluster, self._settings(), client, request, remaining)
        exchange.trail = exchange.trail.with_grant(issued.grant, request)
        return issued

    async def _check_gateway(self, peer: str, token: Secret, exchange: "_Exchange") -> None:
        """Its turn ends here: the turns of its clients are their own."""
        async with self._reception.turn(peer, token) as turn:
            exchange.is_reviewed = True
            caller = await identify(self._cluster, token)
            turn.accept(caller.pod_uid)
            exchange.trail = exchange.trail.with_caller(caller)
            await check_gateway(self._cluster, caller, self._namespace)
        exchange.enter(caller)


@contextlib.contextmanager
def _refusing_as_gateway() -> Iterator[None]:
    try:
        yield
    except Refusal as error:
        raise gateway_rules.as_gateways(error) from None


class _Exchange:
    """The facts of one exchange, for the line in the log."""

    def __init__(self) -> None:
        self.trail = Trail()
        self.gateway = ""
        """The gateway's Pod, once it is known"""
        self.is_reviewed = False
        """Whether the API server was asked about the token on trial: the caller's, then the client's"""

    def enter(self, gateway: Caller) -> None:
        """From here on, the facts are the client's."""
        self.gateway = gateway.pod_name
        self.trail = Trail(connector=self.trail.connector)
        self.is_reviewed = False

    def end(self, result: str, reason: str, sentence: str) -> Response:
        if self.is_reviewed or result != "refused":  # the receptions count what never came to a review
            self.log(result, reason)
        return problem(reason, sentence)

    def log(self, result: str, reason: str) -> None:
        connector = self.trail.connector and str(self.trail.connector)
        fields = {**asdict(self.trail), "connector": connector, "gateway": self.gateway}
        logger.info("gateway grant", extra={**fields, "result": result, "reason": reason})
