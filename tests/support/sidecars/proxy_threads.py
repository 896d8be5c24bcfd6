"""A sidecar's server whose loop runs in a thread of this process, for states that no client can cause."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sidecar.contract.environment import Listener
from sidecar.exchange.proxy import Proxy
from sidecar.exchange.server import Server, listen
from sidecar.exchange.upstream import Upstream
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.log import Log
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads
from support.servers.registry import PATIENCE_SECONDS, Registry
from support.sidecars.loops import close_wires
from support.sidecars.running import CONNECTOR, grant

ProxyKind = Callable[[str, int, Grants, Attempts, Upstream, Log], Proxy]


@contextmanager
def serving(
    loop: Loop,
    registry: Registry,
    *,
    listener: socket.socket | None = None,
    kind: ProxyKind = Proxy,
    log: Log | None = None,
) -> Iterator[http.client.HTTPConnection]:
    """A client of the proxy."""
    sock = listener or listen(Listener(CONNECTOR, 0))
    port = sock.getsockname()[1]
    document = grant(registry, ca=None)
    grants = Grants(lambda rejected, cause: document, loop, Threads(loop))
    log = log or Log("error")
    attempts = Attempts(CONNECTOR, loop, log)
    proxy = kind(CONNECTOR, port, grants, attempts, Upstream(loop, Threads(loop)), log)
    Server(loop, log, None).add_listener(sock, proxy)
    thread = threading.Thread(target=loop.run)
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        yield client
    finally:
        client.close()
        loop.stop()
        thread.join(PATIENCE_SECONDS)
        sock.close()
        close_wires(loop)
