"""The proxy of one connector: takes a request, answers with the registry's response, writes a log line."""

import time
from typing import TYPE_CHECKING

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code, Line
from sidecar.errors import ClientGone, CredentialRenewed, NotListed, SidecarError
from sidecar.exchange.client import Exchange, host_names
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.relay import relay
from sidecar.exchange.upstream import Response, Upstream
from sidecar.exchange.visits import Visits
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.log import Log
from sidecar.rules.answers import Answer, answer_of
from sidecar.rules.credential_refusal import storage_refusal
from sidecar.rules.listed import ListedFiles
from sidecar.rules.routes import PAGE_STATUSES, Route, route
from sidecar.sockets.connections import closing_on_error

if TYPE_CHECKING:
    from sidecar.exchange.looks import Looks
    from sidecar.exchange.order import Next

_REDIRECT = Answer(302, Code.REDIRECT, "the index is at the registry's own path")
_USUAL_CODES = (None, Code.REDIRECT, Code.NEXT_CONNECTOR, Code.CLIENT_GONE)

Outcome = tuple[Route | None, str | None, str | None]
"""For the log line of a request: its route, if it has any; code and sentence of an answer of our own"""


class Proxy:
    """Serves all requests of one connector. It holds no state of a single request."""

    def __init__(
        self, connector: str, port: int, grants: Grants, attempts: Attempts, upstream: Upstream, log: Log
    ) -> None:
        self._connector = connector
        self._local = f"http://127.0.0.1:{port}"
        self._host_names = host_names(port)
        self._grants = grants
        self._visits = Visits(connector, grants, attempts, upstream)
        self._upstream = upstream
        self._registry: GrantedRegistry | None = None
        self._listed = ListedFiles()
        self._looks: Looks | None = None
        self._log = log
        self.next: Next | None = None
        """The connector that is asked for projects that this one does not have"""

    async def serve(self, exchange: Exchange) -> None:
        """Answer a request, whatever happens on the way, and log it. Raises only for faults of our own."""
        started = time.monotonic()
        outcome: Outcome = (None, Code.INTERNAL_ERROR, None)  # stands if `_handle` fails by such a fault
        try:
            outcome = await self._handle(exchange)
        finally:
            self._note(exchange, outcome, time.monotonic() - started)

    @property
    def remembered(self) -> int:
        """Files that pages have listed, about 80 bytes each."""
        return len(self._listed)

    def forget(self) -> None:
        """Forget what pages have said."""
        self._listed.clear()
        self._visits.forget_logins()

    async def _handle(self, exchange: Exchange) -> Outcome:
        chosen: Route | None = None
        answer: Answer | None = None
        try:
            exchange.check(self._host_names)
            registry = self._registry_of(await self._grants.get())
            try:  # a coroutine of its own would take longer, and this is in every request
                chosen = route(exchange.head.method, exchange.head.target, registry.layout)
            except NotListed as error:
                chosen = await self._look(exchange, registry, error)
            if chosen.action == "redirect":
                answer = _REDIRECT
                place = exchange.prefix + chosen.url
                await exchange.answer(answer, [(b"location", place.encode("ascii"))])
            elif chosen.action == "upload":
                await self._visits.upload(exchange, chosen, registry)
            else:
                answer = await self._download(exchange, chosen, registry)
            await exchange.drain()
        except ClientGone:
            exchange.abandon()
            return chosen, Code.CLIENT_GONE, answer.sentence if answer else None
        except SidecarError as error:
            answer = exchange.worded(answer_of(error))
            is_broken = isinstance(error, CredentialRenewed) and exchange.repeats_broken_only
            await self._refuse(exchange, answer, is_broken=is_broken)
        except Exception as error:  # noqa: BLE001 (an edge: the client must hear of our own faults too)
            self._log.write("error", Line.INTERNAL_ERROR, error=type(error).__name__)
            answer = answer_of(SidecarError())
            await self._refuse(exchange, answer)
        return (chosen, answer.code, answer.sentence) if answer else (chosen, None, None)

    def _registry_of(self, grant: Grant) -> GrantedRegistry:
        """The registry of a grant, made once per grant: it takes a tenth of a small request."""
        if self._registry is None or self._registry.grant is not grant:
            self._registry = GrantedRegistry(grant, self._listed)
        return self._registry

    async def _look(self, exchange: Exchange, registry: GrantedRegistry, missing: NotListed) -> Route:
        """The route of a file once its page has been looked at, which may list it. Raises a refusal."""
        if not missing.projects:
            raise missing
        if self._looks is None:
            # imported with the first look: most sidecars never need one
            from sidecar.exchange.looks import Looks

            self._looks = Looks(self._connector, self._visits, self._upstream, self._local, self._log)
        with self._listed.wanting(registry.layout.index_url, missing.targets):
            await self._looks.look(exchange, missing, registry)
            return route(exchange.head.method, exchange.head.target, registry.layout)

    async def _download(self, exchange: Exchange, wanted: Route, granted: GrantedRegistry) -> Answer | None:
        """None, unless the answer is our own."""
        response, chosen, registry = await self._visits.fetch(exchange, wanted, granted)
        try:
            with closing_on_error(response.wire):
                if response.head.status in (401, 403):
                    await self._check_storage(response, registry)
                is_page, credential = chosen.action == "index", registry.grant.credential
                if is_page and response.head.status in PAGE_STATUSES:
                    # imported with the first page, for these modules take 1 % of the sidecar's start
                    from sidecar.exchange.pages import links_of_page, relay_page

                    on_login = self._visits.remember_login
                    local = exchange.local or self._local
                    links = links_of_page(registry, chosen, response, local, on_login)
                    await relay_page(exchange, response, self._upstream, links)
                    if self._looks is not None:
                        self._looks.forget(chosen.package)
                elif is_page and response.head.status == 404 and self.next is not None:
                    package, upstream = chosen.package, self._upstream
                    return await self.next.ask(exchange, response, package, registry, upstream)
                else:
                    page_mark = registry.layout.mark if is_page else None
                    await relay(exchange, response, self._upstream, credential, page_mark)
        finally:
            self._visits.leave(chosen, registry)
        return None

    async def _check_storage(self, response: Response, registry: GrantedRegistry) -> None:
        """Refuse in our words what another origin than the registry's own refuses: it must have a reason."""
        storage = registry.locate(response.url)[0]
        if not storage.is_own:
            await self._upstream.discard_body(response)
            has_login = response.login is not None
            raise storage_refusal(response.head.status, str(storage.origin), has_login=has_login)

    async def _refuse(self, exchange: Exchange, answer: Answer, *, is_broken: bool = False) -> None:
        if is_broken or not exchange.can_answer:
            await exchange.break_off()
            return
        try:
            await exchange.answer(answer)
            await exchange.drain()
        except ClientGone:
            exchange.abandon()

    def _note(self, exchange: Exchange, outcome: Outcome, seconds: float) -> None:
        chosen, code, sentence = outcome
        is_refused = code not in _USUAL_CODES or exchange.status >= 500
        self._log.write(
            "warning" if is_refused else "info",
            Line.REQUEST,
            connector=self._connector,
            method=exchange.head.method,
            action=chosen.action if chosen else None,
            package=chosen.package or None if chosen else None,
            file=chosen.file or None if chosen else None,
            status=exchange.status or None,
            bytes=exchange.sent,
            ms=round(seconds * 1000, 1),
            reason=code,
            detail=sentence,
        )
