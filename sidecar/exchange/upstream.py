"""Requests to a registry: follows redirects, reuses connections, sends the credential to its origin only."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple

from sidecar.contract.grant import Credential, Grant
from sidecar.contract.origins import Origin, origin_of
from sidecar.errors import ClientGone, RegistryUnreachable, UpstreamBroken, UpstreamUnreachable
from sidecar.exchange.granted import GrantedRegistry
from sidecar.http.headers import basic_authorization, to_registry
from sidecar.http.http1 import (
    ANSWER_HEAD_LIMIT,
    UNTIL_CLOSE,
    Headers,
    MalformedHead,
    ResponseHead,
    find,
    render_request,
)
from sidecar.http.origins import target_of
from sidecar.http.registry_heads import RegistryReader
from sidecar.sockets.bodies import Body
from sidecar.sockets.connections import Pool, closing_on_error, connect, make_tls_context
from sidecar.sockets.loop import Loop
from sidecar.sockets.readiness import WaitEnded, Watched, WireTimeout
from sidecar.sockets.threads import Threads
from sidecar.sockets.wire import Wire, WireClosed

SEND_SECONDS = 60.0
"""For a registry that takes nothing more: nginx's own default towards clients"""
RESPONSE_SECONDS = 120.0
"""To a response's head: a cold Nexus or Artifactory remote first fetches the file itself. Clients with less
patience (pip 30 s, uv 30 s) leave earlier, which ends the request at once"""
BODY_SECONDS = 60.0
"""Between two pieces of a body"""
REDIRECT_LIMIT = 5
"""Registry → storage → signed address takes two; the limit ends loops"""

_REDIRECTED = (301, 302, 303, 307, 308)
_SMALL_BODY = 64 * 1024  # to read so much is cheaper than a new connection
_DISCARD_SECONDS = 1.0  # about the time that a new connection takes


Contexts = dict[tuple[str | None, bool], ssl.SSLContext]
"""CA, and whether the system's authorities count too → how an origin is verified"""


class Response(NamedTuple):
    head: ResponseHead
    url: str
    """Final URL, after redirects"""
    wire: Wire
    key: object
    """Of the pool; None: the connection is used once"""
    is_authorized: bool = True
    """Whether the last request of the way carried the registry's credential, if there is any"""
    login: Credential | None = None
    """User and password of the link or redirect that led here"""


class Upstream:
    """The registry's side of all exchanges of a connector. A task releases each `Response` that it got."""

    def __init__(
        self,
        loop: Loop,
        threads: Threads,
        contexts: Contexts | None = None,
        guard: Callable[[Origin, list[str]], None] | None = None,
    ) -> None:
        """`contexts`: those of other connectors too. They hold certificates, and nothing of a connection.

        `guard`: as in `connect`.
        """
        self._guard = guard
        self._loop = loop
        self._threads = threads
        self._pool = Pool(loop)
        self._lock = threading.Lock()
        self._contexts: Contexts = {} if contexts is None else contexts

    @property
    def loop(self) -> Loop:
        return self._loop

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Headers,
        registry: GrantedRegistry,
        *,
        is_page: bool,
        client: Watched | None,
        login: Credential | None = None,
    ) -> Response:
        """GET or HEAD; follows redirects. The request ends if the client leaves; with None it goes on.

        `login`: for the first request, where the credential is for other origins.
        """
        requested_url = url
        is_authorized = registry.locate(url)[0].is_own
        for hops in range(REDIRECT_LIMIT + 1):
            authorization = (registry.authorization if is_authorized else None) or basic_authorization(login)
            response = await self._ask(
                method, url, headers, registry, authorization, is_page=is_page, client=client
            )
            is_redirect = response.head.status in _REDIRECTED
            location = find(response.head.headers, b"location") if is_redirect else None
            if location is None:
                if hops == 0:  # nearly always
                    return response if login is None else response._replace(login=login)
                from sidecar.exchange.redirects import refusal_of_end

                found = response._replace(is_authorized=is_authorized, login=login)
                refusal = refusal_of_end(found, registry, requested_url, is_page=is_page)
                if refusal is not None:
                    await self.discard_body(response)
                    raise refusal
                return found
            # imported with the first redirect, for most registries have none
            from sidecar.exchange.redirects import redirected
            from sidecar.rules.scope import check_redirect

            await self.discard_body(response)
            url, login = redirected(response.url, location, registry, is_page=is_page)
            check_redirect(url, registry.layout, is_page=is_page)
            is_authorized = registry.is_authorized(url, is_page=is_page)
        raise UpstreamBroken(f"the registry redirects more than {REDIRECT_LIMIT} times")

    async def open_upload(self, url: str, headers: Headers, grant: Grant, of_body: Headers) -> Wire:
        """Open a connection, send an upload's head. A reused one may fail, and no upload is sent twice.

        `of_body`: the headers of the body, in place of the client's own.
        """
        origin = origin_of(url)
        wire = await self._connect(origin, grant.ca, is_own=True, is_declared=True)
        with closing_on_error(wire):
            fields = to_registry(
                [header for header in headers if header[0] != b"content-type"],
                host=origin.netloc,
                authorization=basic_authorization(grant.credential),
            )
            await _send_head(wire, render_request("POST", target_of(url), [*fields, *of_body]))
            return wire

    def release(self, response: Response) -> None:
        """Return the connection of a response that was read to its end; close it after an upload (no key)."""
        wire = response.wire
        is_used_up = wire.has_ahead or wire.is_odd
        if response.key is not None and response.head.keeps_connection and not is_used_up:
            self._pool.put(response.key, wire)
        else:
            wire.close()

    async def discard_body(self, response: Response) -> None:
        """Drop a body: read a short one, so that the connection can be used again; or close it."""
        if response.head.length == UNTIL_CLOSE or response.head.length > _SMALL_BODY:
            response.wire.close()
            return
        buffer = memoryview(bytearray(16 * 1024))
        with contextlib.suppress(WireClosed, WireTimeout, MalformedHead):
            total = 0
            until = self._loop.now + _DISCARD_SECONDS
            body = Body(response.wire, response.head.length, buffer, _DISCARD_SECONDS)
            while view := await body.read():
                total += len(view)
                if total > _SMALL_BODY or self._loop.now >= until:
                    break
            else:
                self.release(response)
                return
        response.wire.close()

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Headers,
        registry: GrantedRegistry,
        authorization: bytes | None,
        *,
        is_page: bool,
        client: Watched | None,
    ) -> Response:
        place, path = registry.locate(url)
        page_mark = registry.layout.mark if is_page else None
        fields = to_registry(headers, host=place.host, authorization=authorization, page_mark=page_mark)
        request = render_request(method, path, fields)
        reused = self._pool.take(place.key, self._loop.current)
        if reused is not None:
            try:  # `suppress` would take three more calls in every request
                return Response(await _round_trip(reused, method, request, client), url, reused, place.key)
            except UpstreamBroken:
                pass  # the registry closed it in this moment: send the request once more, on a new connection
        wire = await self._connect(*place.key)
        return Response(await _round_trip(wire, method, request, client), url, wire, place.key)

    async def _connect(self, origin: Origin, ca: str | None, is_own: bool, is_declared: bool) -> Wire:
        def block() -> socket.socket:
            tls = self._tls(origin, ca, is_own=is_own)
            return connect(origin, tls, is_declared=is_declared, guard=self._guard)

        try:
            sock = await self._threads.run(block)
        except UpstreamUnreachable as error:
            if is_own:
                raise RegistryUnreachable(str(error), error.hint) from error
            raise
        try:
            return Wire(sock, self._loop, self._loop.current)
        except OSError as error:
            sock.close()
            raise UpstreamUnreachable(f"no room for a connection to {origin}: {error.strerror}") from error

    def _tls(self, origin: Origin, ca: str | None, *, is_own: bool) -> ssl.SSLContext | None:
        """Only the Connector's CA verifies the registry; storage elsewhere may have a public CA too."""
        if origin.scheme == "http":
            return None
        key = (ca, is_own or ca is None)
        with self._lock:  # the system's bundle takes 5 to 20 ms to load, so it is loaded once
            context = self._contexts.get(key)
            if context is None:
                context = self._contexts[key] = make_tls_context(ca)
                if not is_own and ca is not None:
                    context.load_default_certs()
            return context


async def read_response_head(
    wire: Wire, method: str, seconds: float, client: Watched | None, *, is_sent: bool = True
) -> ResponseHead:
    """The final response's head. Skips interim responses (RFC 9110 §15.2), up to the limit of a head.

    An upload is answered as soon as the status line has come, whatever becomes of the rest of the head. If a
    part was not sent (`is_sent`), this holds only for an error.
    """
    room = ANSWER_HEAD_LIMIT
    reader = RegistryReader(method)
    try:
        while room > 0:
            await wire.read_head(reader, seconds, client)
            head = reader.head()
            if reader.is_odd:
                wire.is_odd = True
            if head.status >= 200:
                return head
            room -= reader.size
            reader = RegistryReader(method)
        raise MalformedHead("interim answers without end")
    except WaitEnded as error:
        raise ClientGone from error
    except (WireTimeout, WireClosed, MalformedHead) as error:
        begun = reader.begun() if method == "POST" else None
        if begun is not None and begun.status >= (200 if is_sent else 400):
            wire.is_odd = True
            return begun
        if isinstance(error, WireTimeout):
            raise UpstreamUnreachable(f"the registry did not answer within {seconds:.0f} s") from error
        if isinstance(error, WireClosed):
            raise UpstreamBroken(f"the registry broke off: {error}", started=error.started) from error
        raise UpstreamBroken(f"the registry's answer is no HTTP: {error}") from error


async def _round_trip(wire: Wire, method: str, request: bytes, client: Watched | None) -> ResponseHead:
    with closing_on_error(wire):
        await _send_head(wire, request)
        return await read_response_head(wire, method, RESPONSE_SECONDS, client)


async def _send_head(wire: Wire, request: bytes) -> None:
    try:
        await wire.send(request, SEND_SECONDS)
    except WireClosed as error:
        raise UpstreamBroken(f"the registry broke off: {error}", started=False) from error
    except WireTimeout as error:
        raise UpstreamUnreachable("the registry takes no request") from error
