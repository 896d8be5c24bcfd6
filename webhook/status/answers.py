"""A registry's answer to a probe: what its status, its redirect and the beginning of its page say."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import httpx

from webhook.connector.conditions import Probe
from webhook.connector.manifest import Connector
from webhook.connector.registry import RegistryAccess
from webhook.status.index_pages import judge, leads_to_sign_in

BODY_BYTES = 32 * 1024
"""Of a page that are looked at. An index says in its first lines what it is, and `read_limit` allows more"""
BODY_SECONDS = 3.0
"""For these bytes. Arbitrary: both pages together fit into `TIMEOUT_SECONDS`"""

_WEB = "; spec.address is probably that of a web interface"


class Finding(NamedTuple):
    """The result of one request."""

    probe: Probe
    is_empty: bool = False
    """Whether it is ok only because nothing speaks against it"""


def sum_up(findings: Sequence[Finding]) -> Probe:
    """The last finding; but an earlier page, empty or foreign, says more than a status without a page."""
    first, last = findings[0].probe, findings[-1].probe
    says_nothing = last.outcome == "unexpected"
    return first if says_nothing and first.outcome in ("ok", "foreign") else last


async def judge_answer(response: httpx.Response, page: str, registry: RegistryAccess) -> Finding:
    status = response.status_code
    detail = f"status code {status}"
    if _leads_to_the_page(response, page, registry.connector):
        return Finding(Probe("ok", f"{detail}, to the same page"))
    if status in (401, 403):
        return Finding(Probe("refused", detail))
    if response.has_redirect_location and leads_to_sign_in(response.headers["location"]):
        return Finding(Probe("foreign", f"{detail}, a redirect to a sign-in page{_WEB}"))
    if status not in (200, 203):  # 203: a proxy in front changed the page (RFC 9110 §15.3.4)
        return Finding(Probe("unexpected", detail))
    headers = response.headers
    body, is_whole = await _read_beginning(response)
    verdict = judge(
        headers.get("content-type", ""),
        headers.get("content-encoding", ""),
        body,
        is_whole=is_whole,
        url=page,
    )
    if verdict.kind == "packed":
        return Finding(Probe("unservable", f"{detail}, but Pods get 502: the index page is {verdict.what}"))
    if verdict.kind == "foreign":
        return Finding(_foreign(f"{detail}, but no package index: {verdict.what}", verdict.title, registry))
    return Finding(Probe("ok", detail), is_empty=verdict.kind == "empty")


async def _read_beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """The first bytes of the body, and whether they are all. A body that breaks off ends there."""
    body = bytearray()
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > BODY_BYTES:
                    return bytes(body[:BODY_BYTES]), False
            return bytes(body), True
    return bytes(body), False


def _foreign(detail: str, title: str, registry: RegistryAccess) -> Probe:
    """The title is the cause, which the status leaves out. Some pages greet the user by name."""
    credential = registry.credential
    secrets = (credential.username, credential.password.reveal()) if credential else ()
    if not title or any(secret and secret in title for secret in secrets):
        return Probe("foreign", detail + _WEB)
    return Probe("foreign", detail + _WEB, f'{detail}, entitled "{title}"{_WEB}')


def _leads_to_the_page(response: httpx.Response, page: str, connector: Connector) -> bool:
    """Whether the sidecar follows this redirect to a page of the same name, such as Pulp's to its content."""
    if not response.has_redirect_location:
        return False
    here = httpx.URL(page)
    there = here.join(response.headers["location"])
    if _means(there, here) and there.raw_path == here.raw_path:  # the sidecar would go in a circle
        return False
    declared = (httpx.URL(url) for url in (page, *connector.file_origins))
    is_followed = any(
        _means(there, origin) and (origin.scheme == "https" or here.scheme == "http") for origin in declared
    )
    return is_followed and _last_segment(there) == _last_segment(here)


def _means(url: httpx.URL, origin: httpx.URL) -> bool:
    """Whether a URL is of this origin; http may mean https, as in `sidecar.http.origins.declared_as`."""
    ports = _port(url), _port(origin)
    is_port = ports[0] == ports[1]
    if url.scheme != origin.scheme:
        is_port = (url.scheme, origin.scheme) == ("http", "https") and (is_port or ports == (80, 443))
    return is_port and url.host.removesuffix(".") == origin.host.removesuffix(".")


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _last_segment(url: httpx.URL) -> str:
    return url.path.rstrip("/").rpartition("/")[2]
