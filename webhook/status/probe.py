"""One look at a registry: is it there, does it take the credential. The only httpx import of the package.

The host is resolved once, every address is judged, and the connection goes to a judged address: a name that
means something else a moment later (DNS rebinding) leads nowhere. No redirect is followed, no body is
read, and no answer is quoted: a status is no window into the network around the broker. What is read before
an answer's head is bounded (`metered`).

Authors of Connectors choose where the broker connects to, and they read the status. So the status of a
failure says only what to correct, in four kinds: the name, the way there, the program that answers, its
certificate.

| the system's words | the status |
|---|---|
| name or service not known, … | the same: every Pod may ask the DNS |
| connection refused, no route to host, no answer in time | `SILENT`: the same for closed and filtered |
| no HTTP, no TLS, an alert, broken off | `STRANGE`: the listening program stays unknown |
| certificate verify failed: … | the same: it names nothing but the Connector's own host |
"""

import asyncio
import functools
import ipaddress
import logging
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

import httpx

from sidecar.contract.destinations import why_forbidden
from webhook.connector.conditions import Probe
from webhook.connector.manifest import Connector
from webhook.connector.registry import RegistryAccess
from webhook.status.read_limit import meter

TIMEOUT_SECONDS = 10.0
"""For all of one look, names and both questions included"""

CONNECT_SECONDS = 3.0
"""For one of several addresses: a broken IPv6 route must leave time for IPv4"""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses; `OSError` where there are none"""

SILENT = "no registry answers at this host and port, or the network does not let the broker through"
STRANGE = "the program at this host and port breaks off the connection, or does not speak "

_INDEX_TYPES = ("text/html", "application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+json")
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_PROBED = "pypi-connector-probe"
"""A name that hardly any registry has: 404 says as much as 200, and costs the registry less"""

# they log every URL at INFO, and the heads of answers at DEBUG
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """`getaddrinfo` in a thread of its own.

    Not in the loop's pool: it cannot be interrupted, and a few names whose servers are dead would hold all
    others up, and the process at its end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(found: Sequence[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: Sequence[str] | Exception
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            found = error
        with suppress(RuntimeError):  # the loop ended meanwhile
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answer


async def probe(
    registry: RegistryAccess,
    *,
    resolve: Resolve = resolve_by_system,
    is_loopback_allowed: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Probe:
    """Ask for a package's page, and for the index itself where that says nothing: an index must be seen.

    A 404 alone could come from any server at a wrong path. A redirect is not followed; it counts as the page
    where it leads to the same one, on an origin that the Connector declares, and not to a login page.
    """
    url = urlsplit(registry.connector.index_url)
    host = url.hostname or ""
    try:
        async with asyncio.timeout(timeout_seconds):
            addresses = await _resolve(host, url.port or (80 if url.scheme == "http" else 443), resolve)
            for address in addresses:
                kind = why_forbidden(address, is_loopback_allowed=is_loopback_allowed)
                if kind:
                    where = host if host == address else f"{host} is {address}, which"
                    return Probe("unreachable", f"{where} is {kind}: no registry is asked there")
            return await _ask_in_turn(registry, url, addresses)
    except TimeoutError:
        return Probe("unreachable", SILENT, f"no answer within {timeout_seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return Probe("unreachable", _told(error, url.scheme), _cause(error))


async def _resolve(host: str, port: int, resolve: Resolve) -> Sequence[str]:
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return [host]
    return await resolve(host, port)


async def _ask_in_turn(registry: RegistryAccess, url: SplitResult, addresses: Sequence[str]) -> Probe:
    """The first address that takes a connection answers for all."""
    for position, address in enumerate(addresses, start=1):
        is_last = position == len(addresses)
        try:
            return await _ask(registry, url, address, None if is_last else CONNECT_SECONDS)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if is_last or _is_about_trust(error):
                raise
    return Probe("unreachable", "the name has no address")


async def _ask(
    registry: RegistryAccess, url: SplitResult, address: str, connect_seconds: float | None
) -> Probe:
    connector, credential = registry.connector, registry.credential
    pages = [f"{connector.index_url}{connector.probe_package or _PROBED}/", connector.index_url]
    auth = httpx.BasicAuth(credential.username, credential.password.reveal()) if credential else None
    # the name, for virtual hosts and the certificate; the address, for the connection
    headers = {"Accept": _ACCEPT, "Host": url.netloc, "Connection": "close"}
    extensions = {"sni_hostname": (url.hostname or "").rstrip("."), "trace": meter}
    timeout = httpx.Timeout(None, connect=connect_seconds)
    found = Probe("unexpected", "not asked")
    async with httpx.AsyncClient(verify=_trust(registry.ca), trust_env=False, timeout=timeout) as client:
        for page in pages:
            target = _at(page, address)
            async with client.stream(
                "GET", target, auth=auth, headers=headers, extensions=extensions
            ) as response:
                if _leads_to_the_page(response, page, connector):
                    found = Probe("ok", f"status code {response.status_code}, to the same page")
                else:
                    found = _judge(response.status_code, response.headers.get("content-type", ""))
            if found.outcome != "unexpected":
                break
    return found


def _at(page: str, address: str) -> str:
    """The page's URL with the address in place of the name."""
    url = urlsplit(page)
    host = f"[{address}]" if ":" in address else address
    return url._replace(netloc=host if url.port is None else f"{host}:{url.port}").geturl()


def _trust(ca: str | None) -> ssl.SSLContext:
    """As the sidecar trusts: what Pods install from is Ready."""
    if ca is None:
        return _system_trust()
    return _lenient(ssl.create_default_context(cadata=ca))


@functools.cache
def _system_trust() -> ssl.SSLContext:
    """Read once: the bundle takes 10 ms of the loop, and changes with the image."""
    return _lenient(ssl.create_default_context())


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """Without the extensions that Python 3.13 demands: see `sidecar.sockets.connections.make_tls_context`."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _judge(status: int, content_type: str) -> Probe:
    detail = f"status code {status}"
    if status in (401, 403):
        return Probe("refused", detail)
    if status == 200 and content_type.partition(";")[0].strip().lower() in _INDEX_TYPES:
        return Probe("ok", detail)
    return Probe("unexpected", detail if status != 200 else f"{detail}, but not with a page of an index")


def _leads_to_the_page(response: httpx.Response, page: str, connector: Connector) -> bool:
    """Whether it is a redirect that the sidecar follows, to a page of that name: Pulp's to its content."""
    if not response.has_redirect_location:
        return False
    here = httpx.URL(page)
    there = here.join(response.headers["location"])
    trusted = (_origin(httpx.URL(one)) for one in (page, *connector.file_origins))
    is_safe = there.scheme == "https" or here.scheme == "http"
    return is_safe and _origin(there) in trusted and _last_segment(there) == _last_segment(here)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _last_segment(url: httpx.URL) -> str:
    return url.path.rstrip("/").rpartition("/")[2]


def _is_about_trust(error: Exception) -> bool:
    return any(isinstance(one, ssl.SSLError) for one in _chain(error))


def _told(error: Exception, scheme: str) -> str:
    """The sentence for the status: see the table at the top."""
    chain = _chain(error)
    if any(isinstance(link, ssl.SSLCertVerificationError | socket.gaierror | UnicodeError) for link in chain):
        return _cause(error)
    has_connected = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.ProtocolError)
    if has_connected or any(isinstance(link, ssl.SSLError | ConnectionResetError) for link in chain):
        return STRANGE + scheme.upper()
    return SILENT


def _cause(error: Exception) -> str:
    """The innermost cause in plain words; httpx wraps twice. Never the answer, which the texts may quote."""
    for found in _chain(error):
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {found.verify_message}"
        if isinstance(found, ssl.SSLError) and found.reason:
            return found.reason.replace("_", " ").lower()
        if isinstance(found, OSError) and found.errno and found.strerror:
            # asyncio puts words of its own in place of the system's; a resolver's errors are negative
            return (os.strerror(found.errno) if found.errno > 0 else found.strerror).lower()
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time"
    if isinstance(error, httpx.ProtocolError):
        return "what answers there does not speak HTTP"
    if isinstance(error, UnicodeError):
        return "no host can have this name"
    return f"the connection failed ({type(error).__name__})"


def _chain(error: BaseException | None) -> Sequence[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
