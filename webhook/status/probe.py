"""Probes a registry: does it answer as an index, and does it accept the credential?

The host is resolved once, every address is checked, and the connection goes to a checked address. So a name
that changes a moment later (DNS rebinding) leads nowhere. The probe follows no redirect to another host, and
reads the beginning of a page only. It quotes nothing of a page in the status, which must not reveal the
network around the broker. `read_limit` limits the bytes of an answer. Of the webhook, only this module,
`answers` and the demo import httpx.

Authors of Connectors choose the address that the broker connects to, and they read the status. So the status
of a failure names only the kind of fault to correct:

| the system's message | the status |
|---|---|
| name or service not known, … | the same: every Pod may ask the DNS |
| connection refused, no route to host, no answer in time | `SILENT`: the same for closed and filtered ports |
| no HTTP, no TLS, an alert, a broken connection | `STRANGE`: the listening program stays unknown |
| certificate verify failed: … | the same: it names only the Connector's own host |
| a page that is no index's, with its title | the kind of page, in our words |
"""

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import SplitResult, urlsplit

import httpx

from sidecar.contract.destinations import why_forbidden
from webhook.connector.conditions import Probe
from webhook.connector.registry import RegistryAccess
from webhook.status.answers import Finding, judge_answer, judge_place, sum_up
from webhook.status.read_limit import limit_reads
from webhook.status.resolver import Resolve, resolve_by_system
from webhook.status.trust import trust

TIMEOUT_SECONDS = 10.0
"""For a whole probe, with the name and both requests"""

CONNECT_SECONDS = 3.0
"""For each of several addresses but the last: a broken IPv6 route must leave time for IPv4"""

SILENT = "no registry answers at this host and port, or the network does not let the broker through"
STRANGE = "the program at this host and port breaks off the connection, or does not speak "

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_PACKAGE = "pypi-connector-probe"
"""A package that hardly any registry has: its 404 costs the registry less than a page"""

# they log every URL at INFO, and the heads of answers at DEBUG
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


async def probe(
    registry: RegistryAccess,
    *,
    resolve: Resolve = resolve_by_system,
    is_loopback_allowed: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Probe:
    """Ask for a package's page, and then for the index itself if the page proves nothing.

    A 404 alone could come from any server at a wrong path, and so could 200: see `index_pages`. A redirect
    counts as the page if Pods get the page there: see `redirects`. If it leads out of the index at the
    registry's own origin, that place is asked once, at the same checked address, without the credential.
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
        detail, cause = _status_of(error, url.scheme), _cause(error)
        return Probe("unreachable", detail, cause, is_untrusted=_is_untrusted(error))


async def _resolve(host: str, port: int, resolve: Resolve) -> Sequence[str]:
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return [host]
    return await resolve(host, port)


async def _ask_in_turn(registry: RegistryAccess, url: SplitResult, addresses: Sequence[str]) -> Probe:
    """Connect to one address after another. The first that accepts a connection decides."""
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
    pages = [f"{connector.index_url}{connector.probe_package or _PACKAGE}/", connector.index_url]
    auth = httpx.BasicAuth(credential.username, credential.password.reveal()) if credential else None
    # virtual hosts and the certificate need the name; the connection goes to the address
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "Host": url.netloc, "Connection": "close"}
    extensions = {"sni_hostname": (url.hostname or "").rstrip("."), "trace": limit_reads}
    timeout = httpx.Timeout(None, connect=connect_seconds)
    findings: list[Finding] = []
    async with httpx.AsyncClient(verify=trust(registry.ca), trust_env=False, timeout=timeout) as client:
        get = partial(client.stream, "GET", headers=headers, extensions=extensions)
        for page in pages:
            async with get(_at(page, address), auth=auth) as response:
                finding = await judge_answer(response, page, registry)
            if finding.asks:
                async with get(_at(finding.asks, address), auth=None) as response:
                    finding = await judge_place(response, finding, page, registry)
            findings.append(finding)
            if finding.decides:
                break
    return sum_up(findings)


def _at(page: str, address: str) -> str:
    """The page's URL with the address in place of the name."""
    url = urlsplit(page)
    host = f"[{address}]" if ":" in address else address
    return url._replace(netloc=host if url.port is None else f"{host}:{url.port}").geturl()


def _is_about_trust(error: Exception) -> bool:
    return any(isinstance(link, ssl.SSLError) for link in _chain(error))


def _is_untrusted(error: Exception) -> bool:
    return any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(error))


def _status_of(error: Exception, scheme: str) -> str:
    """The sentence for the status: see the table at the top."""
    chain = _chain(error)
    if _is_untrusted(error) or any(isinstance(link, socket.gaierror | UnicodeError) for link in chain):
        return _cause(error)
    has_connected = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.ProtocolError)
    if has_connected or any(isinstance(link, ssl.SSLError | ConnectionResetError) for link in chain):
        return STRANGE + scheme.upper()
    return SILENT


def _cause(error: Exception) -> str:
    """The innermost cause in plain words; httpx wraps it twice.

    The texts of httpx's errors are not used: they may quote the answer.
    """
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {link.verify_message}"
        if isinstance(link, ssl.SSLError) and link.reason:
            return link.reason.replace("_", " ").lower()
        if isinstance(link, OSError) and link.errno and link.strerror:
            # asyncio replaces the system's words; a resolver's error numbers are negative
            return (os.strerror(link.errno) if link.errno > 0 else link.strerror).lower()
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time"
    if isinstance(error, httpx.ProtocolError):
        return "the program there does not speak HTTP"
    if isinstance(error, UnicodeError):
        return "no host can have this name"
    return f"the connection failed ({type(error).__name__})"


def _chain(error: BaseException | None) -> Sequence[BaseException]:
    """The error and its causes, the outermost first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
