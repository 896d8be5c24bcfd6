"""The way of one request through the gateway: which connector, which token, whose grant, and then its proxy.

Each request is judged by itself: a connection may name another connector, or bring another token, in each.
"""

import time
from collections import Counter
from typing import cast

from sidecar.contract.secret import Secret
from sidecar.contract.words import Line
from sidecar.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ClientGone,
    Refusal,
    SidecarError,
    TokenRefused,
    TurnedAway,
)
from sidecar.exchange.client import Exchange
from sidecar.gateway.addresses import Address, address_of
from sidecar.gateway.exchanges import GatewayExchange
from sidecar.gateway.refusals import CHALLENGE, GatewayCode, busy, check_hops
from sidecar.gateway.sessions import Session, Sessions
from sidecar.gateway.shares import Shares
from sidecar.gateway.strangers import Strangers
from sidecar.gateway.tenants import Tenant, Tenants, Wiring
from sidecar.gateway.tokens import check_claims, token_of
from sidecar.grants.life import REFUSED_SECONDS
from sidecar.http.headers import hops
from sidecar.rules.answers import Answer, answer_of

ACTIVE_LIMIT = 512
"""Requests under way, each with up to two descriptors and 256 KiB for a client that reads slowly"""
ASKING_LIMIT = 256
"""Requests that wait for the first grant of their token"""
_DRAINING_LIMIT = 32
"""Refused uploads whose body is read to its end, so that their clients come to read the answer"""
_UNAUTHORIZED = 401

Client = tuple[str, str | None]
"""A connector, and the `namespace/serviceaccount` there"""


class Front:
    """Serves the requests of all connectors that come over one scheme."""

    def __init__(self, scheme: str, gate: "Gate") -> None:
        self.scheme = scheme
        self._gate = gate

    async def serve(self, exchange: Exchange) -> None:
        """As `Proxy.serve`."""
        await self._gate.serve(cast("GatewayExchange", exchange), self.scheme)  # the server makes no others


class Gate:
    """Lets requests in: what both schemes share."""

    def __init__(self, wiring: Wiring, sessions: Sessions, tenants: Tenants) -> None:
        self._wiring = wiring
        self._sessions = sessions
        self._tenants = tenants
        self._strangers = Strangers(wiring.loop)
        self._active = Shares(ACTIVE_LIMIT)
        self._of_clients: Counter[Client] = Counter()
        self._asking = Shares(ASKING_LIMIT)
        self._draining = 0

    @property
    def under_way(self) -> int:
        return self._active.taken

    async def serve(self, exchange: GatewayExchange, scheme: str) -> None:
        address: Address | None = None
        try:
            address = address_of(exchange.head)
            check_hops(hops(exchange.head.headers))
            exchange.check(frozenset({address.host.lower().encode("ascii")}))
            session, tenant = await self._admit(exchange, address)
        except ClientGone:
            exchange.abandon()
            return
        except TurnedAway as error:
            refusal = busy(GatewayCode.TOO_MANY_STRANGERS, str(error))
            await self._refuse(exchange, address, answer_of(refusal), is_token=False)
            return
        except SidecarError as error:
            await self._refuse(exchange, address, answer_of(error), is_token=_is_about_token(error))
            return
        exchange.enter(address, scheme)
        await self._pass(exchange, session, tenant)

    async def _admit(self, exchange: GatewayExchange, address: Address) -> tuple[Session, Tenant]:
        """The session of a request that may go on. Raises Refusal and BrokerError."""
        presented = [value for name, value in exchange.head.headers if name == b"authorization"]
        session = exchange.last_session
        if session is None or exchange.last_presented != presented or session.connector != address.connector:
            session = self._session(token_of(presented), address.connector)
            exchange.remember(presented, session)
        session.used_at = self._wiring.loop.now
        if not session.is_known:
            await self._introduce(exchange, session)
        else:
            await session.grant(self._wiring.loop.now)
        return session, self._tenants.of(address.connector)

    def _session(self, token: Secret, connector: str) -> Session:
        session = self._sessions.find(connector, token)
        if session is None:
            check_claims(token, time.time())
            session = self._sessions.open(connector, token, self._tenants.asking(connector))
        return session

    def _attempt(self, exchange: GatewayExchange, session: Session) -> None:
        """Each question takes an attempt; requests that wait for the same question take none."""
        now = self._wiring.loop.now
        if now < session.attempt_at:
            return
        if not self._strangers.attempt(exchange.peer):
            sentence = "too many tokens of this address were not accepted, or are being reviewed"
            raise busy(GatewayCode.TOO_MANY_STRANGERS, sentence)
        session.attempt_at = now + REFUSED_SECONDS

    async def _introduce(self, exchange: GatewayExchange, session: Session) -> None:
        """Wait for the first grant."""
        self._attempt(exchange, session)
        if not self._asking.take(session.connector):
            raise busy(GatewayCode.GATEWAY_BUSY, "too many new tokens are being reviewed")
        session.under_way += 1
        outcome = "unanswered"
        try:
            await session.grant(self._wiring.loop.now)
            outcome = "granted"
            self._accept(exchange, session)
        except BrokerRefused:
            outcome = "refused"
            raise
        except BrokerUnreachable:  # no fault of theirs
            self._strangers.accept(exchange.peer)
            raise
        finally:
            self._wiring.metrics.grants.labels(outcome).inc()
            session.under_way -= 1
            self._asking.leave(session.connector)

    def _accept(self, exchange: GatewayExchange, session: Session) -> None:
        if not session.is_known:  # the first of the requests that waited together
            self._strangers.accept(exchange.peer)
            self._sessions.accept(session)

    async def _pass(self, exchange: GatewayExchange, session: Session, tenant: Tenant) -> None:
        client = (session.connector, session.client)
        # a client may hold as many as are free for its tenant, and a tenant as many as are free for all
        is_free = self._of_clients[client] < self._active.room(session.connector)
        if not is_free or not self._active.take(session.connector):
            sentence = "too many requests of this client or connector are under way"
            answer = answer_of(busy(GatewayCode.GATEWAY_BUSY, sentence))
            await self._answer(exchange, answer, session.connector, session.client)
            return
        self._of_clients[client] += 1
        task = self._wiring.loop.current
        self._wiring.callers[task] = session
        session.under_way += 1
        tenant.under_way += 1
        try:
            await tenant.proxy.serve(exchange)
        finally:
            tenant.under_way -= 1
            session.under_way -= 1
            del self._wiring.callers[task]
            self._active.leave(session.connector)
            self._of_clients[client] -= 1
            if not self._of_clients[client]:
                del self._of_clients[client]

    async def _refuse(
        self, exchange: GatewayExchange, address: Address | None, answer: Answer, *, is_token: bool
    ) -> None:
        answer = answer._replace(status=_UNAUTHORIZED) if is_token else answer
        await self._answer(exchange, answer, address and address.connector, None)

    async def _answer(
        self, exchange: GatewayExchange, answer: Answer, connector: str | None, client: str | None
    ) -> None:
        """Answer by ourselves, and log it. Bodies of strangers are read only so far as there is room."""
        extra = [CHALLENGE] if answer.status == _UNAUTHORIZED else None
        try:
            await exchange.answer(answer, extra)
            if self._draining < _DRAINING_LIMIT:
                self._draining += 1
                try:
                    await exchange.drain()
                finally:
                    self._draining -= 1
        except ClientGone:
            exchange.abandon()
        self._wiring.metrics.count_refused(answer.status)
        self._wiring.log.write(
            "warning",
            Line.REQUEST,
            connector=connector,
            client=client,
            peer=exchange.peer,
            method=exchange.head.method,
            status=answer.status,
            reason=answer.code,
            detail=answer.sentence,
        )


def _is_about_token(error: SidecarError) -> bool:
    return isinstance(error, TokenRefused) or (isinstance(error, Refusal) and error.status == _UNAUTHORIZED)
