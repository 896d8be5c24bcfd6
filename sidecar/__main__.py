"""Starts files, listeners and proxies as the environment says; ends on a signal.

Run as `python3 -I -m sidecar`.
"""

import os
import signal
import socket
import sys
import threading

from sidecar.contract.environment import Environment, Listener
from sidecar.contract.errors import ContractError
from sidecar.contract.grant import Grant
from sidecar.contract.words import VOLUMES_DIR, Line
from sidecar.errors import SidecarError
from sidecar.exchange.proxy import Proxy
from sidecar.exchange.server import Server, listen
from sidecar.exchange.upstream import Upstream
from sidecar.files import write_files
from sidecar.grants.attempts import Attempts
from sidecar.grants.broker import BrokerClient
from sidecar.grants.store import Fetch, Grants
from sidecar.log import Log
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads

_STACK_BYTES = 256 * 1024  # the default reserves 8 MiB of address space; the deepest use is 60 KiB
_DOCUMENT_LIMIT = 1024 * 1024  # bytes of all grant documents


def main() -> int:
    """Exit 0 after SIGTERM or SIGINT, 2 if the environment or a port cannot be used."""
    try:
        environment = Environment.parse(os.environ)
    except ContractError as error:
        Log().write("error", Line.CANNOT_START, detail=str(error))
        return 2
    log = Log(environment.log_level)
    threading.stack_size(_STACK_BYTES)
    stop, ring = socket.socketpair()
    ring.setblocking(False)
    signal.set_wakeup_fd(ring.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the descriptor above ends the loop
    try:
        loop = Loop()
        server = Server(loop, log, environment.peer_uid)
        server.add_stop(stop.fileno())
        fetches = _make_fetches(environment, server)
        # files before sockets: the start gate takes a listening socket for both
        write_files(environment.config_dir, environment.files)
        for volume, files in environment.volumes.items():
            write_files(f"{VOLUMES_DIR}/{volume}", files)
        proxies: dict[str, Proxy] = {}
        for listener, fetch in zip(environment.listeners, fetches, strict=True):
            proxies[listener.connector] = proxy = _make_proxy(listener, fetch, loop, log)
            server.add_listener(listen(listener), proxy)
            log.write("info", Line.LISTENING, connector=listener.connector, port=listener.port)
    except (SidecarError, ValueError, OSError) as error:  # a ContractError is a ValueError
        log.write("error", Line.CANNOT_START, detail=str(error))
        return 2
    if environment.order:
        _put_in_order(environment, proxies)
    loop.run()
    log.write("info", Line.STOPPED)
    return 0


def _make_proxy(listener: Listener, fetch: Fetch, loop: Loop, log: Log) -> Proxy:
    # two sets of threads: a broker that hangs holds up no connection to the registry, and vice versa
    grants = Grants(fetch, loop, Threads(loop))
    upstream = Upstream(loop, Threads(loop))
    attempts = Attempts(listener.connector, loop, log)
    return Proxy(listener.connector, listener.port, grants, attempts, upstream, log)


def _put_in_order(environment: Environment, proxies: dict[str, Proxy]) -> None:
    """Lead from each connector of the order to the next."""
    from sidecar.exchange.order import Next  # most Pods have one connector, and no order

    ports = {listener.connector: listener.port for listener in environment.listeners}
    for connector, following in zip(environment.order, environment.order[1:], strict=False):
        proxies[connector].next = Next(following, ports[following])


def _make_fetches(environment: Environment, server: Server) -> list[Fetch]:
    """A source of grants for each listener: the broker, or the documents of a parent process."""
    if environment.grant_fd is None:
        return [_from_broker(environment, listener) for listener in environment.listeners]
    documents = _read_lines(environment.grant_fd, len(environment.listeners))
    server.add_stop(environment.grant_fd)  # its end of file means that the parent is gone
    return [_constant(Grant.parse(document)) for document in documents]


def _from_broker(environment: Environment, listener: Listener) -> Fetch:
    url = environment.broker_url or ""
    return BrokerClient(url, environment.broker_ca, environment.token_file, listener.connector).fetch


def _constant(grant: Grant) -> Fetch:
    return lambda rejected, cause: grant


def _read_lines(descriptor: int, count: int) -> list[bytes]:
    document = b""
    while document.count(b"\n") < count:
        piece = os.read(descriptor, 65536)
        document += piece
        if not piece or len(document) > _DOCUMENT_LIMIT:
            raise ContractError("the inherited descriptor holds too few grant documents")
    return document.split(b"\n")[:count]


if __name__ == "__main__":
    code = main()
    # the Pod is ending, and a wait for busy threads could take minutes
    sys.stderr.flush()
    os._exit(code)
