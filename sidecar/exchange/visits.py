"""A request's way to the registry, with a second try where the credential fails.

The second try takes a newer grant, or goes alone. A GET or HEAD may be sent again; an upload only if nothing
of it was sent.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from sidecar.contract.grant import Credential, Grant
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
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.upstream import Response, Upstream
from sidecar.grants.attempts import Attempts, Standing, verdict_of
from sidecar.grants.store import Grants
from sidecar.grants.trust import Go, Verdict
from sidecar.http.http1 import ResponseHead
from sidecar.rules.credential_refusal import refusal_of
from sidecar.rules.listed import ListedFiles
from sidecar.rules.routes import Route, route
from sidecar.sockets.connections import closing_on_error
from sidecar.sockets.wire import Wire

if TYPE_CHECKING:
    from sidecar.exchange.forms import Form
    from sidecar.links.logins import LinkLogins


class Failed:
    """A try that failed for the grant. No NamedTuple: to make such a class takes 0.3 ms of the start."""

    __slots__ = ("cause", "error", "is_urgent", "may_try_again")

    def __init__(
        self,
        cause: str,
        error: Refusal | UpstreamUnreachable,
        *,
        may_try_again: bool = False,
        is_urgent: bool = True,
    ) -> None:
        self.cause = cause
        """A member of `contract.words.CAUSES`"""
        self.error = error
        self.may_try_again = may_try_again
        """The request may be sent once more with the same grant, alone"""
        self.is_urgent = is_urgent
        """Do not wait long for the broker, which most likely has no newer grant"""


class Visits:
    """The requests of one connector to its registry."""

    def __init__(self, connector: str, grants: Grants, attempts: Attempts, upstream: Upstream) -> None:
        self._connector = connector
        self._grants = grants
        self._attempts = attempts
        self._upstream = upstream
        self._standing: Standing | None = None
        self._standing_of: Grant | None = None
        """The grant that was used last; `_standing` is its standing"""
        self._logins: LinkLogins | None = None
        """Of the pages so far"""

    async def fetch(
        self, exchange: Exchange, chosen: Route, registry: GrantedRegistry
    ) -> tuple[Response, Route, GrantedRegistry]:
        """GET or HEAD. After reading the answer, the caller calls `leave`."""
        is_renewed = is_second = False
        while True:
            outcome = await self._try(exchange, chosen, registry, is_second=is_second)
            if isinstance(outcome, Response):
                return outcome, chosen, registry
            newer = None if is_renewed else await self._newer(registry.grant, outcome)
            if newer is not None:
                is_renewed, is_second = True, False
                registry, chosen = _route_with(newer, exchange, registry.layout.listed)
            elif outcome.may_try_again:
                is_second = True
                await self._attempts.pause(exchange.wire)
            else:
                raise outcome.error

    def remember_login(self, url: str, login: Credential) -> None:
        """Of a link to a file, for the requests of that file."""
        if self._logins is None:
            from sidecar.links.logins import LinkLogins  # few registries name a user in a link

            self._logins = LinkLogins()
        self._logins.remember(url, login)

    def forget_logins(self) -> None:
        self._logins = None

    def leave(self, chosen: Route, registry: GrantedRegistry) -> None:
        """Give back the place: the answer has ended, or is not read."""
        if _is_at_registry(chosen, registry):
            self._attempts.leave()

    async def upload(self, exchange: Exchange, chosen: Route, registry: GrantedRegistry) -> None:
        """Stream one upload, and relay the registry's answer."""
        # imported with the first upload, as the modules of index pages are with the first page
        from sidecar.exchange.forms import Form
        from sidecar.exchange.upload_answers import relay_answer
        from sidecar.exchange.uploads import send_upload

        form = Form(exchange.head)
        standing, go, wire, url, grant = await self._open_upload(exchange, chosen, registry, form)
        verdict: Verdict = "unjudged"
        try:
            with closing_on_error(wire):
                try:
                    head = await send_upload(exchange, wire, form)
                    verdict = verdict_of(head.status)
                except (ClientGone, Refusal):
                    # The registry has the credential, and answers no half body. If it never accepted the
                    # credential, this counts as a refusal after `trust.UNHEARD` such uploads.
                    is_doubtful = go.is_awaited and not standing.trust.is_accepted
                    verdict = "refused" if is_doubtful else "left"
                    raise
                finally:
                    self._attempts.judge(standing, go, verdict, "")
                await self._check_upload(head, standing, url, grant)
                answer = Response(head, url, wire, None)
                await relay_answer(exchange, answer, self._upstream, grant.credential)
        finally:
            self._attempts.leave()

    async def _try(
        self, exchange: Exchange, chosen: Route, registry: GrantedRegistry, *, is_second: bool
    ) -> Response | Failed:
        if not _is_at_registry(chosen, registry):
            return await self._ask(exchange, chosen, registry, exchange.wire)
        standing, limit = self._of(registry.grant), registry.grant.max_connections
        go = None if is_second else self._attempts.begin_at_once(standing, limit)
        if go is None:
            try:
                go = await self._attempts.begin(
                    standing, limit, _subject(chosen), exchange.wire, is_second=is_second
                )
            except CredentialRefused as error:
                return Failed(error.code, error)
        verdict: Verdict = "unjudged"
        holds_place = False
        try:
            response = await self._ask(exchange, chosen, registry, None if go.is_awaited else exchange.wire)
            status = _own_status(response)
            verdict = verdict_of(status)
            holds_place = True
        except ClientGone:
            verdict = "left"
            raise
        except RegistryUnreachable as error:
            return Failed(Code.REGISTRY_UNREACHABLE, error)
        finally:
            self._attempts.judge(standing, go, verdict, _subject(chosen))
            if not holds_place:
                self._attempts.leave()
        if status not in (401, 403):
            return response
        try:
            await self._upstream.discard_body(response)
        finally:
            self._attempts.leave()
        return self._failed(status, standing, go, registry.grant, _subject(chosen))

    def _of(self, grant: Grant) -> Standing:
        """The standing of a grant for installs, looked up once per grant."""
        if self._standing is None or self._standing_of is not grant:
            self._standing, self._standing_of = self._attempts.standing("install", grant), grant
        return self._standing

    def _ask(
        self, exchange: Exchange, chosen: Route, registry: GrantedRegistry, client: Wire | None
    ) -> Awaitable[Response]:
        return self._upstream.fetch(
            exchange.head.method,
            chosen.url,
            exchange.head.headers,
            registry,
            is_page=chosen.action == "index",
            client=client,
            login=self._logins.of(chosen.url) if self._logins else None,
        )

    def _failed(self, status: int, standing: Standing, go: Go, grant: Grant, subject: str) -> Failed:
        if status == 403 or standing.is_anonymous:
            return Failed(Code.REGISTRY_FORBIDS, refusal_of(status, grant, self._connector), is_urgent=False)
        error = self._attempts.refusal(standing, subject)
        may_try_again = self._attempts.may_try_again(standing, go, subject)
        return Failed(error.code, error, may_try_again=may_try_again, is_urgent=may_try_again)

    async def _open_upload(
        self, exchange: Exchange, chosen: Route, registry: GrantedRegistry, form: "Form"
    ) -> tuple[Standing, Go, Wire, str, Grant]:
        """Open a connection, and send the head of the upload on it."""
        is_renewed = False
        while True:
            outcome = await self._try_upload(exchange, chosen.url, registry.grant, form)
            if not isinstance(outcome, Failed):
                return *outcome, chosen.url, registry.grant
            newer = None if is_renewed else await self._newer(registry.grant, outcome)
            if newer is None:
                raise outcome.error
            is_renewed = True
            registry, chosen = _route_with(newer, exchange, registry.layout.listed)

    async def _try_upload(
        self, exchange: Exchange, url: str, grant: Grant, form: "Form"
    ) -> tuple[Standing, Go, Wire] | Failed:
        standing = self._attempts.standing("upload", grant)
        try:
            go = await self._attempts.begin(standing, grant.max_connections, "", exchange.wire)
        except CredentialRefused as error:
            return Failed(error.code, error)
        wire = None
        try:
            wire = await self._upstream.open_upload(url, exchange.head.headers, grant, form.headers)
            return standing, go, wire
        except RegistryUnreachable as error:
            return Failed(Code.REGISTRY_UNREACHABLE, error)
        finally:
            if wire is None:
                self._attempts.judge(standing, go, "unjudged", "")
                self._attempts.leave()

    async def _check_upload(self, head: ResponseHead, standing: Standing, url: str, grant: Grant) -> None:
        """Raise the error that replaces the answer, if any. A 403 without a newer grant passes unchanged."""
        if head.status in (401, 403):
            # the credential may have been rotated; the body is spent, so the client must send it again
            refusal = refusal_of(head.status, grant, self._connector)
            if head.status == 401 and not standing.is_anonymous:
                refusal = self._attempts.refusal(standing, "")
            if not standing.is_anonymous and await self._grants.renew(grant, refusal.code):
                raise CredentialRenewed
            if head.status == 401:
                raise refusal
        if 300 <= head.status < 400:
            from sidecar.exchange.uploads import refuse_redirect

            refuse_redirect(head, url, grant.credential)

    async def _newer(self, grant: Grant, failed: Failed) -> Grant | None:
        try:
            return await self._grants.renew(grant, failed.cause, is_urgent=failed.is_urgent)
        except BrokerUnreachable:
            if failed.may_try_again or failed.cause == Code.REGISTRY_UNREACHABLE:
                return None
            raise


def _route_with(grant: Grant, exchange: Exchange, listed: ListedFiles) -> tuple[GrantedRegistry, Route]:
    """Registry and route of the request with another grant. Raises the refusal of `route`."""
    registry = GrantedRegistry(grant, listed)
    return registry, route(exchange.head.method, exchange.head.target, registry.layout)


def _is_at_registry(chosen: Route, registry: GrantedRegistry) -> bool:
    """Whether the route leads to the registry: files of other origins are fetched without the credential."""
    return chosen.url.startswith(registry.prefix)


def _own_status(response: Response) -> int:
    """The registry's own status: 200 if it redirected the request to storage, and storage refuses."""
    status = response.head.status
    return 200 if status in (401, 403) and not response.is_authorized else status


def _subject(chosen: Route) -> str:
    return chosen.package or chosen.url
