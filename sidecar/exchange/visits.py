"""A request's way to the registry, with a second try where the credential does not serve.

The second try takes a newer grant, or goes alone. A GET or HEAD may be sent again; an upload only if nothing
of it was sent.
"""

from typing import NamedTuple

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import (
    BrokerUnreachable,
    ClientGone,
    CredentialRefused,
    CredentialRenewed,
    Refusal,
    RegistryUnreachable,
    UpstreamUnreachable,
)
from sidecar.exchange.client import Exchange
from sidecar.exchange.relay import relay
from sidecar.exchange.uploads import length_header, refuse_redirect, send_upload
from sidecar.exchange.upstream import Response, Target, Upstream
from sidecar.grants.attempts import Attempts, Standing, answer_of_status
from sidecar.grants.store import Grants
from sidecar.grants.trust import Answer, Go
from sidecar.http.http1 import ResponseHead
from sidecar.rules.refusals import refusal_of
from sidecar.rules.routes import Route, route
from sidecar.sockets.connections import closing_on_error
from sidecar.sockets.wire import Wire


class Failed(NamedTuple):
    """The grant did not serve."""

    cause: str
    """A member of `contract.CAUSES`"""
    error: Refusal | UpstreamUnreachable
    may_try_again: bool = False
    """The request may be sent once more with the same grant, alone"""
    is_urgent: bool = True
    """Do not wait long for the broker: most likely there is no newer grant"""


class Visits:
    """The visits of one connector."""

    def __init__(self, connector: str, grants: Grants, attempts: Attempts, upstream: Upstream) -> None:
        self._connector = connector
        self._grants = grants
        self._attempts = attempts
        self._upstream = upstream
        self._standing: Standing | None = None
        self._standing_of: Grant | None = None
        """The grant that was used last; `_standing` is its standing"""

    async def fetch(
        self, exchange: Exchange, chosen: Route, target: Target
    ) -> tuple[Response, Route, Target]:
        """GET or HEAD. After reading the answer, the caller calls `leave`."""
        is_renewed = is_second = False
        while True:
            outcome = await self._try(exchange, chosen, target, is_second=is_second)
            if isinstance(outcome, Response):
                return outcome, chosen, target
            newer = None if is_renewed else await self._newer(target.grant, outcome)
            if newer is not None:
                is_renewed, is_second = True, False
                target, chosen = _led_by(newer, exchange)
            elif outcome.may_try_again:
                is_second = True
                await self._attempts.pause(exchange.wire)
            else:
                raise outcome.error

    def leave(self, chosen: Route, target: Target) -> None:
        """Give back the place: the answer has ended, or nobody reads it."""
        if _is_at_registry(chosen, target):
            self._attempts.leave()

    async def upload(self, exchange: Exchange, chosen: Route, target: Target) -> None:
        """Stream one upload, and relay the registry's answer."""
        standing, go, wire, url, grant = await self._open_upload(exchange, chosen, target)
        answer: Answer = "unjudged"
        try:
            with closing_on_error(wire):
                try:
                    head = await send_upload(exchange, wire, exchange.head.length)
                    answer = answer_of_status(head.status)
                except (ClientGone, Refusal):
                    # The registry has the credential, and an answer to half a body never comes. Where it
                    # was never accepted, this counts as a refusal after `trust.UNHEARD` of them.
                    is_doubtful = go.is_awaited and not standing.trust.is_accepted
                    answer = "refused" if is_doubtful else "left"
                    raise
                finally:
                    self._attempts.judge(standing, go, answer, "")
                await self._check_upload(head, standing, grant)
                await relay(exchange, Response(head, url, wire, None), self._upstream, grant.credential)
        finally:
            self._attempts.leave()

    async def _try(
        self, exchange: Exchange, chosen: Route, target: Target, *, is_second: bool
    ) -> Response | Failed:
        if not _is_at_registry(chosen, target):
            return await self._ask(exchange, chosen, target, exchange.wire)
        standing, limit = self._of(target.grant), target.grant.max_connections
        go = None if is_second else self._attempts.begin_at_once(standing, limit)
        if go is None:
            try:
                go = await self._attempts.begin(
                    standing, limit, _subject(chosen), exchange.wire, is_second=is_second
                )
            except CredentialRefused as error:
                return Failed(error.code, error)
        answer: Answer = "unjudged"
        is_kept = False
        try:
            response = await self._ask(exchange, chosen, target, None if go.is_awaited else exchange.wire)
            status = _own_status(response, target)
            answer = answer_of_status(status)
            is_kept = True
        except ClientGone:
            answer = "left"
            raise
        except RegistryUnreachable as error:
            return Failed(Code.REGISTRY_UNREACHABLE, error)
        finally:
            self._attempts.judge(standing, go, answer, _subject(chosen))
            if not is_kept:
                self._attempts.leave()
        if status not in (401, 403):
            return response
        try:
            await self._upstream.discard_body(response)
        finally:
            self._attempts.leave()
        return self._failed(status, standing, go, target.grant, _subject(chosen))

    def _of(self, grant: Grant) -> Standing:
        """The standing for installs; looked up once per grant."""
        if self._standing is None or self._standing_of is not grant:
            self._standing, self._standing_of = self._attempts.standing("install", grant), grant
        return self._standing

    async def _ask(self, exchange: Exchange, chosen: Route, target: Target, client: Wire | None) -> Response:
        return await self._upstream.fetch(
            exchange.head.method,
            chosen.url,
            exchange.head.headers,
            target,
            is_page=chosen.action == "index",
            client=client,
        )

    def _failed(self, status: int, standing: Standing, go: Go, grant: Grant, subject: str) -> Failed:
        if status == 403 or standing.is_anonymous:
            return Failed(Code.REGISTRY_FORBIDS, refusal_of(status, grant, self._connector), is_urgent=False)
        error = self._attempts.refusal(standing, subject)
        may_try_again = self._attempts.may_try_again(standing, go, subject)
        return Failed(error.code, error, may_try_again, is_urgent=may_try_again)

    async def _open_upload(
        self, exchange: Exchange, chosen: Route, target: Target
    ) -> tuple[Standing, Go, Wire, str, Grant]:
        """Open a connection, and send the head of the upload on it."""
        is_renewed = False
        while True:
            outcome = await self._try_upload(exchange, chosen.url, target.grant)
            if not isinstance(outcome, Failed):
                return *outcome, chosen.url, target.grant
            newer = None if is_renewed else await self._newer(target.grant, outcome)
            if newer is None:
                raise outcome.error
            is_renewed = True
            target, chosen = _led_by(newer, exchange)

    async def _try_upload(
        self, exchange: Exchange, url: str, grant: Grant
    ) -> tuple[Standing, Go, Wire] | Failed:
        standing = self._attempts.standing("upload", grant)
        try:
            go = await self._attempts.begin(standing, grant.max_connections, "", exchange.wire)
        except CredentialRefused as error:
            return Failed(error.code, error)
        wire = None
        try:
            length = length_header(exchange.head.length)
            wire = await self._upstream.open_upload(url, exchange.head.headers, grant, length)
            return standing, go, wire
        except RegistryUnreachable as error:
            return Failed(Code.REGISTRY_UNREACHABLE, error)
        finally:
            if wire is None:
                self._attempts.judge(standing, go, "unjudged", "")
                self._attempts.leave()

    async def _check_upload(self, head: ResponseHead, standing: Standing, grant: Grant) -> None:
        """Raises the error that replaces the answer. A 403 without a newer grant passes unchanged."""
        if head.status in (401, 403):
            # the credential may have been rotated; the body is gone, so the client must send it again
            refusal = refusal_of(head.status, grant, self._connector)
            if head.status == 401 and not standing.is_anonymous:
                refusal = self._attempts.refusal(standing, "")
            if not standing.is_anonymous and await self._grants.renew(grant, refusal.code):
                raise CredentialRenewed
            if head.status == 401:
                raise refusal
        if 300 <= head.status < 400:
            refuse_redirect(head, grant.credential)

    async def _newer(self, grant: Grant, failed: Failed) -> Grant | None:
        try:
            return await self._grants.renew(grant, failed.cause, is_urgent=failed.is_urgent)
        except BrokerUnreachable:
            if failed.may_try_again or failed.cause == Code.REGISTRY_UNREACHABLE:
                return None
            raise


def _led_by(grant: Grant, exchange: Exchange) -> tuple[Target, Route]:
    """Target and route of the request with another grant. Raises the refusal of `route`."""
    target = Target.of(grant)
    return target, route(exchange.head.method, exchange.head.target, target.layout)


def _is_at_registry(chosen: Route, target: Target) -> bool:
    """Whether it leads to the registry; files of another origin are fetched without the credential."""
    return chosen.url.startswith(target.prefix)


def _own_status(response: Response, target: Target) -> int:
    """The registry's own status. If storage refuses, the registry had accepted and redirected the request."""
    status = response.head.status
    return 200 if status in (401, 403) and not target.is_authorized(response.url) else status


def _subject(chosen: Route) -> str:
    return chosen.package or chosen.url
