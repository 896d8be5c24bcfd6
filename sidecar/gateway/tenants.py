"""Tenants: what the clients of one connector share, and nobody else.

The connections to its registry, the places there (`maxConnections`), the credential's standing and what
pages have listed belong to a tenant. Each client has a grant of its own. The engine asks for "the grant" with
no word of a client, so the session of a request is found by its task: a connection is one task, and
serves one request at a time.
"""

from sidecar.contract.grant import Grant
from sidecar.contract.words import Line
from sidecar.exchange.proxy import Proxy
from sidecar.exchange.upstream import Contexts, Upstream
from sidecar.gateway.destinations import Guard
from sidecar.gateway.metrics import Metrics
from sidecar.gateway.sessions import Session
from sidecar.gateway.shares import SharedThreads, TenantThreads
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.log import Log
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.threads import Threads

LIMIT = 512
"""Connectors in memory; arbitrary"""
IDLE_SECONDS = 600.0
"""An idle tenant ends after this, and with it all that its pages have said"""
REMEMBERED_LIMIT = 1_000_000
"""Files that pages of all tenants have listed, 80 MB. Of more, the tenant with most forgets its own"""
_VERSIONS = 16
_INNER_PORT = 80
"""The proxy answers to `localhost`: the gateway has checked the client's Host by then"""

Callers = dict[Task, Session]
"""The session of the request that a task serves"""


class TenantLog(Log):
    """Adds the client to each line, and counts the requests."""

    def __init__(self, log: Log, callers: Callers, loop: Loop, metrics: Metrics) -> None:
        self._log = log
        self._callers = callers
        self._loop = loop
        self._metrics = metrics

    def write(self, level: str, message: str, **fields: object) -> None:
        session = self._callers.get(self._loop.current)
        self._log.write(level, message, client=session and session.client, **fields)
        if message == Line.REQUEST:
            self._metrics.count(fields)


class TenantGrants(Grants):
    """The grants of a tenant's clients: each request gets its own client's. It holds none itself."""

    def __init__(self, callers: Callers, loop: Loop) -> None:
        self._callers = callers
        self._loop = loop
        self._shared: dict[tuple[str, str | None], Grant] = {}

    async def get(self) -> Grant:
        session = self._callers[self._loop.current]
        grant = await session.grant(self._loop.now)
        if session.raw is not grant:  # seldom: a session keeps its grant for minutes
            session.raw, session.shared = grant, self._same(grant)
        return session.shared or grant

    async def renew(self, refused: Grant, cause: str, *, is_urgent: bool = False) -> Grant | None:
        grants = self._callers[self._loop.current].grants
        newer = await grants.renew(refused, cause, is_urgent=is_urgent)
        return newer and self._same(newer)

    def _same(self, grant: Grant) -> Grant:
        """One object for equal grants: the engine composes a registry for each object anew."""
        key = (grant.version, grant.upload_url)
        shared = self._shared.get(key)
        without_life = grant._replace(soft_seconds=0.0, hard_seconds=0.0)  # the session counts that
        if shared is None or shared != without_life:
            shared = self._shared[key] = without_life
            if len(self._shared) > _VERSIONS:
                del self._shared[next(iter(self._shared))]
        return shared


class Tenant:
    """What a connector's clients share."""

    def __init__(self, connector: str, wiring: "Wiring", connecting: SharedThreads) -> None:
        loop = wiring.loop
        self.connector = connector
        self.under_way = 0
        self.used_at = loop.now
        log = TenantLog(wiring.log, wiring.callers, loop, wiring.metrics)
        grants = TenantGrants(wiring.callers, loop)
        threads = TenantThreads(connecting, connector)
        upstream = Upstream(loop, threads, wiring.contexts, wiring.guard)
        self.proxy = Proxy(connector, _INNER_PORT, grants, Attempts(connector, loop, log), upstream, log)


class Wiring:
    """What all tenants are made with."""

    def __init__(self, loop: Loop, log: Log, metrics: Metrics, guard: Guard) -> None:
        self.loop = loop
        self.log = log
        self.guard = guard
        self.metrics = metrics
        self.callers: Callers = {}
        self.contexts: Contexts = BoundedContexts()


class BoundedContexts(Contexts):
    """TLS contexts by their authorities: at most `_CONTEXTS`, of up to 1 MiB each."""

    def __setitem__(self, key: tuple[str | None, bool], context: object) -> None:
        super().__setitem__(key, context)  # type: ignore[assignment]
        if len(self) > _CONTEXTS:
            del self[next(iter(self))]


_CONTEXTS = 64
_THREADS = 64
"""For questions to the broker"""
_CONNECTING_THREADS = 128
"""For connections to registries: a dead name server holds each for seconds"""


class Tenants:
    """All tenants of the process, bounded; the longest unused gives way."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._asking = SharedThreads(wiring.loop, _THREADS)
        self._connecting = SharedThreads(wiring.loop, _CONNECTING_THREADS)
        self._tenants: dict[str, Tenant] = {}

    def __len__(self) -> int:
        return len(self._tenants)

    def of(self, connector: str) -> Tenant:
        tenant = self._tenants.pop(connector, None)
        if tenant is None:
            tenant = Tenant(connector, self._wiring, self._connecting)
        tenant.used_at = self._wiring.loop.now
        self._tenants[connector] = tenant
        if len(self._tenants) > LIMIT:
            idle = next((name for name, other in self._tenants.items() if not other.under_way), connector)
            del self._tenants[idle]
        return tenant

    def asking(self, connector: str) -> Threads:
        """For questions to the broker: also for a connector that nobody has proved to exist."""
        return TenantThreads(self._asking, connector)

    def sweep(self) -> None:
        for name, tenant in list(self._tenants.items()):
            if not tenant.under_way and self._wiring.loop.now - tenant.used_at >= IDLE_SECONDS:
                del self._tenants[name]
        while sum(tenant.proxy.remembered for tenant in self._tenants.values()) > REMEMBERED_LIMIT:
            max(self._tenants.values(), key=lambda tenant: tenant.proxy.remembered).proxy.forget()
