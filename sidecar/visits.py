"""One request's visit to the registry: by which grant, once more by a newer one, once more alone.

What may be sent again is: a GET or HEAD always, an upload until its first octet has gone.
"""

from typing import NamedTuple

from sidecar.attempts import Attempt, Attempts, answer_of_status
from sidecar.client import Exchange
from sidecar.connections import closing_on_error
from sidecar.contract import REGISTRY_FORBIDS, REGISTRY_UNREACHABLE, Grant
from sidecar.errors import (
    BrokerUnreachable,
    ClientGone,
    CredentialRefused,
    CredentialRenewed,
    Refusal,
    RegistryUnreachable,
    UpstreamUnreachable,
)
from sidecar.grants import Grants
from sidecar.http1 import ResponseHead
from sidecar.refusals import refusal_of
from sidecar.relay import relay
from sidecar.routes import Route, route
from sidecar.uploads import length_header, refuse_redirect, send_upload
from sidecar.upstream import Response, Target, Upstream
from sidecar.wire import Wire


class Visit(NamedTuple):
    """A registry's answer, on its way. Its reader calls `Visits.leave` in the end."""

    response: Response
    chosen: Route
    target: Target
    has_place: bool


class Failed(NamedTuple):
    """The grant did not serve."""

    cause: str
    """One of `contract.CAUSES`"""
    error: Refusal | UpstreamUnreachable
    may_try_again: bool = False
    """Once more with the same grant, alone"""
    is_urgent: bool = True
    """The broker is not waited for: most likely there is no newer grant"""


class Visits:
    """Of one connector."""

    def __init__(self, connector: str, grants: Grants, attempts: Attempts, upstream: Upstream) -> None:
        self._connector = connector
        self._grants = grants
        self._attempts = attempts
        self._upstream = upstream

    async def fetch(self, exchange: Exchange, chosen: Route, target: Target) -> Visit:
        """GET or HEAD."""
        is_renewed = is_second = False
        while True:
            found = await self._try(exchange, chosen, target, is_second=is_second)
            if isinstance(found, Visit):
                return found
            newer = None if is_renewed else await self._newer(target.grant, found)
            if newer is not None:
                is_renewed, is_second = True, False
                target, chosen = _led_by(newer, exchange)
            elif found.may_try_again:
                is_second = True
                await self._attempts.pause(exchange.wire)
            else:
                raise found.error

    def leave(self, visit: Visit) -> None:
        """Its body has come to its end, or nobody reads it."""
        if visit.has_place:
            self._attempts.leave()

    async def upload(self, exchange: Exchange, chosen: Route, target: Target) -> None:
        """Stream one upload, and relay the registry's answer."""
        attempt, wire, url, grant = await self._open_upload(exchange, chosen, target)
        try:
            with closing_on_error(wire):
                head = await send_upload(exchange, wire, exchange.head.length)
                self._attempts.judge(attempt, answer_of_status(head.status))
                await self._check_upload(head, grant)
                await relay(exchange, Response(head, url, wire, None), self._upstream, grant.credential)
        except ClientGone:
            self._attempts.judge(attempt, "left")
            raise
        finally:
            self._end(attempt)

    async def _try(
        self, exchange: Exchange, chosen: Route, target: Target, *, is_second: bool
    ) -> Visit | Failed:
        if target.place(chosen.url)[0] != target.layout.origin:  # elsewhere, and without the credential
            return Visit(await self._ask(exchange, chosen, target, None), chosen, target, has_place=False)
        subject = chosen.package or chosen.url
        try:
            attempt = await self._attempts.begin(
                "install", target.grant, subject, exchange.wire, is_second=is_second
            )
        except CredentialRefused as error:
            return Failed(error.code, error)
        is_served = False
        try:
            response = await self._ask(exchange, chosen, target, attempt)
            failed = self._judge(attempt, response, target, subject)
            is_served = failed is None
            if failed is None:
                return Visit(response, chosen, target, has_place=True)
            await self._upstream.discard_body(response)
            return failed
        except ClientGone:
            self._attempts.judge(attempt, "left")
            raise
        except RegistryUnreachable as error:
            return Failed(REGISTRY_UNREACHABLE, error)
        finally:
            if not is_served:
                self._end(attempt)

    async def _ask(
        self, exchange: Exchange, chosen: Route, target: Target, attempt: Attempt | None
    ) -> Response:
        return await self._upstream.fetch(
            exchange.head.method,
            chosen.url,
            exchange.head.headers,
            target,
            is_page=chosen.action == "index",
            client=None if attempt and attempt.is_awaited else exchange.wire,
        )

    def _judge(self, attempt: Attempt, response: Response, target: Target, subject: str) -> Failed | None:
        status, go = response.head.status, attempt.go
        if status not in (401, 403):
            self._attempts.judge(attempt, answer_of_status(status))
            return None
        if not target.is_authorized(response.url):  # storage said it; the registry had sent us there
            self._attempts.judge(attempt, "accepted")
            return None
        self._attempts.judge(attempt, answer_of_status(status))
        if status == 403 or go is None:
            error = refusal_of(status, target.grant, self._connector)
            return Failed(REGISTRY_FORBIDS, error, is_urgent=False)
        refused = self._attempts.refusal(attempt.key, subject)
        may_try_again = self._attempts.may_try_again(attempt.key, go)
        return Failed(refused.code, refused, may_try_again, is_urgent=may_try_again)

    async def _open_upload(
        self, exchange: Exchange, chosen: Route, target: Target
    ) -> tuple[Attempt, Wire, str, Grant]:
        """A connection that the head of the upload has been sent on."""
        is_renewed = False
        while True:
            found = await self._try_upload(exchange, chosen.url, target.grant)
            if not isinstance(found, Failed):
                return *found, chosen.url, target.grant
            newer = None if is_renewed else await self._newer(target.grant, found)
            if newer is None:
                raise found.error
            is_renewed = True
            target, chosen = _led_by(newer, exchange)

    async def _try_upload(self, exchange: Exchange, url: str, grant: Grant) -> tuple[Attempt, Wire] | Failed:
        try:
            attempt = await self._attempts.begin("upload", grant, "", exchange.wire)
        except CredentialRefused as error:
            return Failed(error.code, error)
        is_open = False
        try:
            length = length_header(exchange.head.length)
            wire = await self._upstream.open_upload(url, exchange.head.headers, grant, length)
            is_open = True
            return attempt, wire
        except RegistryUnreachable as error:
            return Failed(REGISTRY_UNREACHABLE, error)
        finally:
            if not is_open:
                self._end(attempt)

    async def _check_upload(self, head: ResponseHead, grant: Grant) -> None:
        """Raises what is said in place of the registry's own words; a 403 without a newer grant has those."""
        if head.status in (401, 403):
            # the credential may have been rotated. The body is gone, so the client is asked to send it again
            refusal = refusal_of(head.status, grant, self._connector)
            if grant.credential is not None and head.status == 401:
                refusal = self._attempts.refusal(("upload", grant.version), "")
            if grant.credential is not None and await self._grants.renew(grant, refusal.code):
                raise CredentialRenewed
            if head.status == 401:
                raise refusal
        if 300 <= head.status < 400:
            refuse_redirect(head, grant.credential)

    async def _newer(self, grant: Grant, failed: Failed) -> Grant | None:
        try:
            return await self._grants.renew(grant, failed.cause, is_urgent=failed.is_urgent)
        except BrokerUnreachable:
            if failed.may_try_again or failed.cause == REGISTRY_UNREACHABLE:
                return None
            raise

    def _end(self, attempt: Attempt) -> None:
        self._attempts.judge(attempt, "unjudged")  # unless it was judged already
        self._attempts.leave()


def _led_by(grant: Grant, exchange: Exchange) -> tuple[Target, Route]:
    """Where the request leads with another grant; or the refusal."""
    target = Target.of(grant)
    return target, route(exchange.head.method, exchange.head.target, target.layout)
