"""Page look-ups for files that no page has listed yet.

A lock file names a file by its URL, and its client reads no page. If the file lies outside the Connector's
address, or has an odd name, only the project's page can vouch for it.
"""

from typing import NamedTuple

from sidecar.contract.words import Code, Line
from sidecar.errors import BrokerError, ClientGone, NotListed, Refusal, SidecarError
from sidecar.exchange.client import Exchange
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.pages import links_of_page, read_page
from sidecar.exchange.upstream import Upstream
from sidecar.exchange.visits import Visits
from sidecar.http.http1 import RequestHead
from sidecar.log import Log
from sidecar.rules.answers import Answer, answer_of
from sidecar.rules.layout import Layout
from sidecar.rules.routes import PAGE_STATUSES, route
from sidecar.sockets.connections import closing_on_error
from sidecar.sockets.loop import Task

AGAIN_SECONDS = 60.0
"""Between two looks at a page. A file that was uploaded meanwhile has to wait so long; arbitrary"""
FAILED_SECONDS = 1.0
"""After a look that failed, other requests for its page get the same answer for so long; arbitrary"""
PAGES_LIMIT = 1024
"""Pages whose last look is remembered; arbitrary, a lock file names some hundred projects"""
PROJECTS_LIMIT = 3
"""Pages for one file. `foo-1-2.tar` may be of foo or of foo-1; few names have more readings"""
_TRANSIENT = (429, 500, 502, 503, 504)
"""Statuses that say nothing of the page: the client may try again"""
_ACCEPT = b"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


class _Ended(NamedTuple):
    """The last look at a page."""

    at: float
    index_url: str
    """A Connector's address may change while the process runs"""
    generation: int
    """Of the memory of listed files"""
    failure: Answer | None


class Looks:
    """The looks of one connector: one at a time for a page, and the next after `AGAIN_SECONDS`."""

    def __init__(self, connector: str, visits: Visits, upstream: Upstream, local: str, log: Log) -> None:
        self._connector = connector
        self._loop = upstream.loop
        self._visits = visits
        self._upstream = upstream
        self._local = local
        self._log = log
        self._ended: dict[str, _Ended] = {}
        """Project → the last look at its page, oldest first"""
        self._waiting: dict[str, set[Task]] = {}
        """Project whose page is being read → tasks that wait for it"""

    async def look(self, exchange: Exchange, missing: NotListed, registry: GrantedRegistry) -> None:
        """Read the pages that may list the file. Raises as `Visits.fetch`, and UpstreamBroken."""
        for project in missing.projects[-PROJECTS_LIMIT:][::-1]:  # few versions hold a dash
            while project in self._waiting:
                await self._wait(project, exchange)
            if self._is_due(project, registry.layout):
                await self._look_at(project, exchange, registry)

    def forget(self, project: str) -> None:
        """A client has read the project's page: it may know of files that the last look did not see."""
        self._ended.pop(project, None)

    def _is_due(self, project: str, layout: Layout) -> bool:
        """Raises the error of a look that failed a moment ago: other requests waited for the same page."""
        last = self._ended.get(project)
        if last is None or last.index_url != layout.index_url:
            return True
        age = self._loop.now - last.at
        if last.failure is None:
            return age >= AGAIN_SECONDS or last.generation != layout.listed.generation
        if age < FAILED_SECONDS:
            status, code, sentence, retry_after = last.failure
            raise Refusal(status, code, sentence, retry_after=retry_after)
        return True

    async def _look_at(self, project: str, exchange: Exchange, registry: GrantedRegistry) -> None:
        index_url, generation = registry.layout.index_url, registry.layout.listed.generation
        self._waiting[project] = set()
        try:
            await self._read(exchange, project, registry)
            self._note(project, _Ended(self._loop.now, index_url, generation, None))
        except (ClientGone, BrokerError):
            raise  # the next request looks for itself: it may have another grant
        except SidecarError as error:
            self._note(project, _Ended(self._loop.now, index_url, generation, answer_of(error)))
            raise
        finally:
            for task in self._waiting.pop(project):
                self._loop.wake(task)

    async def _read(self, exchange: Exchange, project: str, registry: GrantedRegistry) -> None:
        target = f"{registry.layout.index_path}{project}/"
        head = RequestHead("GET", target, "1.1", [(b"accept", _ACCEPT)], 0)
        page_request = Exchange(exchange.wire, head, exchange.buffer)
        wanted = route("GET", target, registry.layout)
        if wanted.action != "index":  # the index is at "/", where no page of this name can be asked for
            return
        response, chosen, registry = await self._visits.fetch(page_request, wanted, registry)
        status = response.head.status
        try:
            with closing_on_error(response.wire):
                if status in PAGE_STATUSES:
                    on_login = self._visits.remember_login
                    links = links_of_page(registry, chosen, response, self._local, on_login, is_thorough=True)
                    await read_page(page_request, response, self._upstream, links)
                else:
                    await self._upstream.discard_body(response)
        finally:
            self._visits.leave(chosen, registry)
        if status in _TRANSIENT:
            sentence = f"the registry answers {status} for the page of {project}: try again"
            raise Refusal(503, Code.PAGE_UNAVAILABLE, sentence, retry_after=1)
        self._log.write("info", Line.PAGE_READ, connector=self._connector, package=project, status=status)

    def _note(self, project: str, ended: _Ended) -> None:
        self._ended.pop(project, None)
        self._ended[project] = ended
        if len(self._ended) > PAGES_LIMIT:
            del self._ended[next(iter(self._ended))]

    async def _wait(self, project: str, exchange: Exchange) -> None:
        if exchange.wire.is_gone:
            raise ClientGone
        task = self._loop.current
        self._waiting[project].add(task)
        await self._loop.suspend()
        if project in self._waiting:
            self._waiting[project].discard(task)
