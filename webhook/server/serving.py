"""Serves an app over TLS until the process must stop, and then drains it.

When a Pod ends, its address leaves the Service within a second or two. But clients go on using their open
connections. The API server keeps connections to admission alive, and a broken request there refuses a Pod.
So for a while every answer says `Connection: close` and new connections are still accepted. Only then the
listener is closed.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from certs.reload import Reloader
from certs.store import CERTIFICATE, KEY, read_files
from webhook.limits.doors import Doors, Limits, Visit
from webhook.limits.turns import Turns
from webhook.server.bounded_http import BoundedProtocol

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 8.0
"""Every kube-proxy withdraws an endpoint in one or two seconds; the rest is for slow nodes. Together with
`ANSWER_SECONDS` it stays below the 30 s after which the kubelet kills."""

ANSWER_SECONDS = 10
"""For answers under way at the end: admission's callers wait 5 s, the broker's 10 s."""

KEEP_ALIVE_SECONDS = 120
"""Above the 90 s after which the API server's client drops an idle connection. The client must close first,
or a request can meet a closed connection."""

SOCKET_BUFFER_BYTES = 64 * 1024
"""The kernel's buffer for each connection and direction; the kernel takes twice as much. By default it grows
to 6 MiB, and counts towards the Pod's memory. 64 KiB still carry 100 MB a second in a cluster."""


async def serve(
    app: ASGIApp,
    *,
    port: int,
    tls_directory: Path,
    stop: asyncio.Event,
    drain_seconds: float = DRAIN_SECONDS,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> None:
    """Serve until `stop`, drain, return. `UnusablePair` if there is no usable certificate at the start."""
    read_files(tls_directory)  # its error is a sentence, uvicorn's would not be
    drain = _Drain(InTurn(app))
    config = _config(drain, tls_directory)
    context = _context(config)
    with listening(port) as listener, Reloader(context, tls_directory / CERTIFICATE, tls_directory / KEY):
        server = _Server(config, listener, limits)
        serving = asyncio.create_task(server.serve([listener]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            logger.info("draining", extra={"seconds": drain_seconds})
            drain.has_begun = True
            await asyncio.sleep(drain_seconds)
            server.should_exit = True
        stopping.cancel()
        await serving


def _config(app: ASGIApp, tls_directory: Path) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        ssl_certfile=str(tls_directory / CERTIFICATE),
        ssl_keyfile=str(tls_directory / KEY),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=ANSWER_SECONDS,
    )
    config.load()
    return config


def _context(config: uvicorn.Config) -> ssl.SSLContext:
    """uvicorn makes a context because it has a certificate; its annotation allows None."""
    if not isinstance(config.ssl, ssl.SSLContext):
        raise TypeError("uvicorn has no TLS context")
    return config.ssl


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listen on every address, and of both families if the node has both."""
    if socket.has_dualstack_ipv6():
        sock = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    else:
        sock = socket.create_server(("", port), backlog=1024)
    with sock:
        # accepted sockets inherit these options; asyncio sets the first only on sockets with a protocol
        # number. Without it the body, a second write, waited 40 ms for the receipt of the head
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, SOCKET_BUFFER_BYTES)
        yield sock


class InTurn:
    """Lets a request wait for its turn before it is answered, and once more when its body is complete: an
    attacker could send the heads of many requests first, and then the last byte of each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["client"][0] if scope.get("client") else ""

        async def receive_in_turn() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                await self._turns.turn(peer)
            return message

        await self._turns.turn(peer)
        await self._app(scope, receive_in_turn, send)


class _Drain:
    """Tells callers to leave, once it has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if self.has_begun and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_on)


class _Server(uvicorn.Server):
    """Listens with `Doors`. Leaves signals to the process, which has more to end than this server."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, limits: Limits) -> None:
        super().__init__(config)
        self._listener = listener
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        doors = Doors(self._listener, _context(self.config), self._limits, self._protocol)
        doors.open()
        self.servers = [doors]  # type: ignore[list-item]  # uvicorn only closes them
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def _protocol(self, visit: Visit) -> BoundedProtocol:
        return BoundedProtocol(visit=visit, config=self.config, server_state=self.server_state, app_state={})
