"""One connector's proxy: a request in, the registry's response out, one log line about it."""

import time

from sidecar.contract.words import Code, Line
from sidecar.errors import ClientGone, CredentialRenewed, SidecarError
from sidecar.exchange.client import Exchange, host_names
from sidecar.exchange.pages import relay_page
from sidecar.exchange.relay import relay
from sidecar.exchange.upstream import Target, Upstream
from sidecar.exchange.visits import Visits
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.links.rewriting import PageLinks
from sidecar.log import Log
from sidecar.rules.answers import Answer, answer_of
from sidecar.rules.routes import Route, route
from sidecar.sockets.connections import closing_on_error

_PAGE_STATUSES = (200, 203)  # 203: something between the registry and us has changed it (RFC 9110 §15.3.4)


class Proxy:
    """Holds nothing of one request."""

    def __init__(
        self, connector: str, port: int, grants: Grants, attempts: Attempts, upstream: Upstream, log: Log
    ) -> None:
        self._connector = connector
        self._local = f"http://127.0.0.1:{port}"
        self._host_names = host_names(port)
        self._grants = grants
        self._visits = Visits(connector, grants, attempts, upstream)
        self._upstream = upstream
        self._target: Target | None = None
        self._log = log

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request, whatever happens on the way. Never raises but for faults of our own."""
        started = time.monotonic()
        found: list[Route] = []
        try:
            exchange.check(self._host_names)
            await self._handle(exchange, found)
            await exchange.drain()
        except ClientGone:
            exchange.closes = True
            exchange.code = Code.CLIENT_GONE
        except SidecarError as error:
            is_broken = isinstance(error, CredentialRenewed) and exchange.repeats_broken_only
            await self._refuse(exchange, answer_of(error), is_broken=is_broken)
        except Exception as error:  # noqa: BLE001 (an edge: the client is to hear of our own faults too)
            self._log.write("error", Line.INTERNAL_ERROR, error=type(error).__name__)
            await self._refuse(exchange, answer_of(SidecarError()))
        finally:
            self._note(exchange, found[0] if found else None, time.monotonic() - started)

    async def _handle(self, exchange: Exchange, found: list[Route]) -> None:
        grant = await self._grants.get()
        target = self._target
        if target is None or target.grant is not grant:  # once per grant: a tenth of a small request
            target = self._target = Target.of(grant)
        chosen = route(exchange.head.method, exchange.head.target, target.layout)
        found.append(chosen)
        if chosen.action == "redirect":
            sentence = "the index is at the registry's own path"
            extra = [(b"location", chosen.url.encode("ascii"))]
            await exchange.answer(Answer(302, Code.REDIRECT, sentence), extra)
        elif chosen.action == "upload":
            await self._visits.upload(exchange, chosen, target)
        else:
            await self._download(exchange, chosen, target)

    async def _download(self, exchange: Exchange, wanted: Route, wanted_of: Target) -> None:
        response, chosen, target = await self._visits.fetch(exchange, wanted, wanted_of)
        try:
            with closing_on_error(response.wire):
                is_page = chosen.action == "index"
                if is_page and response.head.status in _PAGE_STATUSES:
                    links = PageLinks(target.layout, chosen.url, response.url, self._local)
                    await relay_page(exchange, response, self._upstream, links, target.grant.credential)
                else:
                    page_mark = target.layout.mark if is_page else None
                    await relay(exchange, response, self._upstream, target.grant.credential, page_mark)
        finally:
            self._visits.leave(chosen, target)

    async def _refuse(self, exchange: Exchange, answer: Answer, *, is_broken: bool = False) -> None:
        if is_broken or exchange.is_started:  # all that is left is to break it
            await exchange.break_off()
            exchange.code, exchange.sentence = answer.code, answer.sentence
            return
        try:
            await exchange.answer(answer)
            await exchange.drain()
        except ClientGone:
            exchange.closes = True

    def _note(self, exchange: Exchange, chosen: Route | None, seconds: float) -> None:
        is_refused = exchange.code not in (None, Code.REDIRECT, Code.CLIENT_GONE) or exchange.status >= 500
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
            reason=exchange.code,
            detail=exchange.sentence,
        )
